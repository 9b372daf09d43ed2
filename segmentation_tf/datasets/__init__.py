"""Data sets: which folder to read, and how its files become cases.

`ph2`, `mads` and `coco_panoptic` each have `load_cases`; `folders` finds, makes and unpacks
folders.
"""
