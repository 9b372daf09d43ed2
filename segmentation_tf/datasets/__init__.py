"""Data sets: which folder to read, and how its files become cases.

ph2.py             moles under a dermatoscope, with a diagnosis
mads.py            people who dance, fight and play
coco_panoptic.py   sheep on a meadow, or any other set in COCO's panoptic format
folders.py         finds folders, makes them complete, reads tables

The first three have `load_cases` each.
"""
