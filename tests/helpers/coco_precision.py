"""The average precision of COCO's own tools, to compare ours with."""

from contextlib import redirect_stdout
from io import StringIO

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from pycocotools.mask import encode


def coco_precision(truths, predictions, min_iou):
    """AP of the arguments of `average_precision`; -1 without a true instance."""
    images, annotations, results = [], [], []
    for image, (truth, (predicted, scores)) in enumerate(zip(truths, predictions), 1):
        images.append({"id": image, "height": truth.shape[0], "width": truth.shape[1]})
        place = {"image_id": image, "category_id": 1}
        for number, mask in _masks(truth).items():
            row = {"id": len(annotations) + 1, "area": 1, "iscrowd": int(number < 0)}
            annotations.append(place | row | {"segmentation": mask})
        for number, mask in _masks(predicted).items():
            results.append(place | {"score": scores[number], "segmentation": mask})
    with redirect_stdout(StringIO()):
        evaluation = COCOeval(*_load(images, annotations, results), "segm")
        evaluation.params.iouThrs = [min_iou]
        evaluation.evaluate()
        evaluation.accumulate()
    all_areas, most_predictions = 0, -1
    return evaluation.eval["precision"][0, :, 0, all_areas, most_predictions].mean()


def _masks(instances):
    """The run-length code of each instance, by number."""
    numbers = np.unique(instances[instances != 0]).tolist()
    return {n: encode(np.asfortranarray(instances == n, np.uint8)) for n in numbers}


def _load(images, annotations, results):
    truth = COCO()
    truth.dataset = {"images": images, "annotations": annotations, "categories": [{"id": 1}]}
    truth.createIndex()
    return truth, truth.loadRes(results)
