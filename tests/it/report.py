"""Compares a report's numbers with scikit-learn's on the predictions that it exported."""

import csv
import json
import pathlib
import sys
import warnings

import numpy
from sklearn.metrics import accuracy_score, classification_report, confusion_matrix, log_loss

folder = pathlib.Path(sys.argv[1])
rows = list(csv.reader((folder / "predictions.csv").open()))
report = json.loads((folder / "report.json").read_text())["test_part"]
table = numpy.array(rows[1:], dtype=float)
labels, probabilities = table[:, 1].astype(int), table[:, 2:]
classes = list(range(probabilities.shape[1]))
assert rows[0] == ["index", "label", *(f"p{i}" for i in classes)], rows[0]
assert (table[:, 0] == numpy.arange(len(table))).all()
predicted = probabilities.argmax(axis=1)
# Probabilities were rounded to f32, so rows sum to 1 only to seven digits.
warnings.simplefilter("ignore")

failures = []


def equal(what, ours, theirs):
    if abs(ours - theirs) > 1e-9:
        failures.append(f"{what}: {ours} in the report, {theirs} by scikit-learn")


equal("accuracy", report["accuracy"], accuracy_score(labels, predicted))
equal("log loss", report["log_loss"], log_loss(labels, probabilities, labels=classes))
theirs = confusion_matrix(labels, predicted, labels=classes).tolist()
if report["confusion"] != theirs:
    failures.append(f"confusion: {report['confusion']} in the report, {theirs} by scikit-learn")

theirs = classification_report(labels, predicted, output_dict=True, zero_division=0)
ours = report["classification"]
names = {"precision": "precision", "recall": "recall", "f1": "f1-score", "support": "support"}
scores = [(str(i), ours["classes"][i]) for i in classes if str(i) in theirs]
averages = {"macro avg": "macro_avg", "weighted avg": "weighted_avg"}
scores += [(name, {**ours[key], "support": ours["support"]}) for name, key in averages.items()]
for name, mine in scores:
    for key, other in names.items():
        equal(f"{key} of {name}", mine[key], theirs[name][other])
if "accuracy" in theirs:
    equal("accuracy in the report", ours["accuracy"], theirs["accuracy"])

written = list(csv.reader((folder / "confusion.csv").open()))
if [[int(cell) for cell in row[1:]] for row in written[1:]] != report["confusion"]:
    failures.append("confusion.csv is not report.json's confusion")

print("\n".join(failures) if failures else f"{len(table)} samples agree in {len(scores) * 4 + 3} numbers")
sys.exit(1 if failures else 0)
