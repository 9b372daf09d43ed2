"""The built-in data sets: pictures made by rule, in the folder layout of the real ones.

`dermoscopy` draws moles (PH2), `dancers` people in a studio (MADS), `meadow` sheep (COCO's panoptic
format), and `leaves` photographs as people's own folders hold them, each into the folder that it is
given. Not one pixel changes without a new VERSION.

All four use `drawing`: work spread over processes, and painting tools. `dancers` and `meadow`
share `tracing` (solids seen by a camera), `light` (shadows) and the colours of `body`. `sheep`
serves `meadow` alone; `studio`, `furniture`, `motion` and the figures of `body` serve `dancers`
alone.
"""
