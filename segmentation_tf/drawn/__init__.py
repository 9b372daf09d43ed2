"""The built-in data sets: pictures made by rule, in the folder layout of the real ones.

`dermoscopy` draws moles (PH2), `dancers` people in a studio (MADS), `meadow` sheep (COCO's panoptic
format), each into the folder that it is given. `drawing` spreads the work over processes; the other
modules are what the three share. Not one pixel changes without a new VERSION.
"""
