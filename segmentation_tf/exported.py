"""Exported networks, run by their own runtimes: no Keras, no TensorFlow.

Keras writes the files, if TensorFlow is its backend:
`model.export("moles.tflite", format="litert")` and `model.export("moles.onnx", format="onnx")`.
The runtimes are packages of their own, which requirements.txt leaves out.
"""

from importlib import import_module
from pathlib import Path

# What to install: to export, and to run. Keras needs tf2onnx to write ONNX.
PACKAGES = {".tflite": "ai-edge-litert", ".onnx": "onnxruntime tf2onnx"}


class Exported:
    """A network from a file: images `(N, H, W, C)` in, logits `(N, H, W, classes)` out.

    It has a Keras model's `input_shape` and is called like one, so that `evaluation` can use
    either.
    """

    def __init__(self, input_shape, run):
        self.input_shape, self._run = (None, *map(int, input_shape[1:])), run

    def __call__(self, images, training=False):
        if training:
            raise ValueError("an exported network cannot be trained: train in Keras, export again")
        return self._run(images)


def load_exported(path, threads=1):
    """Load a `.tflite` or `.onnx` file as an `Exported`; it computes with so many `threads`.

    Raises ImportError where its runtime is not installed.
    """
    path = Path(path)
    if path.suffix not in LOADERS:
        raise ValueError(f"{path.name}: give a .tflite or .onnx file, as model.export writes them")
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there: export a model to it first")
    return Exported(*LOADERS[path.suffix](str(path), threads))


def _load_litert(path, threads):
    interpreter = _runtime("ai_edge_litert.interpreter", ".tflite").Interpreter
    # A signature's runner, unlike the bare interpreter, takes batches of any size.
    run = interpreter(path, num_threads=threads).get_signature_runner()
    ((name, details),) = run.get_input_details().items()
    return details["shape_signature"], lambda images: next(iter(run(**{name: images}).values()))


def _load_onnx(path, threads):
    runtime = _runtime("onnxruntime", ".onnx")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    session = runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    (image,) = session.get_inputs()
    return image.shape, lambda images: session.run(None, {image.name: images})[0]


LOADERS = {".tflite": _load_litert, ".onnx": _load_onnx}


def _runtime(module, suffix):
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise ImportError(
            f"{suffix} files need packages that are not installed: pip install {PACKAGES[suffix]}"
        ) from error
