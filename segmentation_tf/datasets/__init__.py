"""Data sets: which folder to read, and how its files become cases, by `load_cases` of each.

ph2.py             moles under a dermatoscope, with a diagnosis
mads.py            people who dance, fight and play
coco_panoptic.py   sheep on a meadow, or any other set in COCO's panoptic format
folders.py         finds folders, makes them complete, reads tables
"""
