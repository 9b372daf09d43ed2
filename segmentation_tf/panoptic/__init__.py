"""Instances and panoptic maps (lesson 8).

`maps` holds COCO's panoptic format. `targets` makes what a network learns and reads what it
predicts. `scores` has PQ, AP and mean IoU. `plotting` paints classes and instances.
"""
