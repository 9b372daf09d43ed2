"""Data sets: each module has a `load_cases` that finds the folder and returns its cases.

ph2.py             moles under a dermatoscope, with a diagnosis
mads.py            people who dance, fight and play
coco_panoptic.py   sheep on a meadow, or any other set in COCO's panoptic format
pairs.py           anybody's folder of images and masks
checkup.py         what is wrong with such a folder, before anything is trained
folders.py         finds folders, makes or unpacks missing ones, reads tables
"""
