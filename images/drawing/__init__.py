"""The pictures of the lecture, one module a subject; images/draw.py draws them all."""
