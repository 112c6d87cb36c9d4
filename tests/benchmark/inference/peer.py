"""ONNX Runtime or OpenVINO behind FastAPI, as people write it: peer.py ENGINE PRECISION FOLDER PORT [draft].

The handler is a plain function, which FastAPI runs in threads. `draft` has Pillow decode JPEGs at the smallest scale that is
large enough, which few know of.
"""

import sys
from pathlib import Path

import numpy
import uvicorn
from contender import ENGINES, Preprocess
from fastapi import FastAPI, UploadFile

engine, precision, folder, port, *tuned = sys.argv[1:]
app = FastAPI()
model = ENGINES[engine](precision, Path(folder))
preprocess = Preprocess(draft="draft" in tuned)


@app.post("/predict")
def predict(image: UploadFile):
    logits = model.run(preprocess(image.file))[0]
    scores = numpy.exp(logits - logits.max())
    scores /= scores.sum()
    return [{"class": int(index), "score": float(scores[index])} for index in numpy.argsort(-scores)[:5]]


uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="warning")
