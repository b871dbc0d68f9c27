"""Keras Tuner's Hyperband over listed MLPs on Fashion-MNIST; prints one line of JSON.

Arguments: the folder of the four gzip files, R, Keras's backend (tensorflow or torch), and a JSON file with the list of
hyperparameters that trials get in the order of their numbers.
"""

import gzip
import json
import os
import sys
import tempfile
import time

FOLDER, MAX_EPOCHS, BACKEND, LIST = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
os.environ["KERAS_BACKEND"] = BACKEND
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras  # noqa: E402  (the backend is chosen by the variable above)
import keras_tuner  # noqa: E402
import numpy as np  # noqa: E402


def read(name, offset):
    with gzip.open(os.path.join(FOLDER, name + ".gz")) as file:
        return np.frombuffer(file.read(), np.uint8, offset=offset)


def images(part):
    return read(part + "-images-idx3-ubyte", 16).reshape(-1, 784).astype("float32") / 255


def labels(part):
    return read(part + "-labels-idx1-ubyte", 8)


def build(hp):
    model = keras.Sequential([keras.Input((784,))])
    for i in range(hp.Int("layers", 2, 6)):
        units = hp.Choice(f"units_{i}", [32, 64, 128, 256, 512])
        model.add(keras.layers.Dense(units, activation="relu"))
        model.add(keras.layers.Dropout(hp.Choice(f"dropout_{i}", [0.0, 0.1, 0.2, 0.3])))
    model.add(keras.layers.Dense(10, activation="softmax"))
    optimizer = keras.optimizers.Adam(hp.Choice("lr", [1e-2, 1e-3, 1e-4]))
    model.compile(optimizer=optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


class ListedOracle(keras_tuner.oracles.HyperbandOracle):
    """Keras Tuner's Hyperband, except that a new trial is the next one of a list instead of a random one."""

    def __init__(self, listed, **kwargs):
        self.listed = iter(listed)
        super().__init__(**kwargs)

    def _random_values(self):
        values = next(self.listed, None)
        return dict(values) if values else None


class ListedHyperband(keras_tuner.Hyperband):
    """Its tuner: checkpoints, resuming and all else are Hyperband's own."""

    def __init__(self, oracle, hypermodel, **kwargs):
        # Hyperband's own constructor would make an oracle of its own.
        keras_tuner.Tuner.__init__(self, oracle, hypermodel, **kwargs)


def rungs(trials):
    """How many trials Hyperband trained on each rung, and up to which epoch."""
    counted = {}
    for trial in trials:
        values = trial.hyperparameters.values
        key = (values["tuner/bracket"], values["tuner/round"], values["tuner/epochs"])
        counted[key] = counted.get(key, 0) + 1
    return [{"s": s, "rung": rung, "configs": n, "epochs": epochs} for (s, rung, epochs), n in sorted(counted.items())]


class CountEpochs(keras.callbacks.Callback):
    epochs = 0

    def on_epoch_end(self, epoch, logs=None):
        CountEpochs.epochs += 1

    def __deepcopy__(self, memo):
        return self


def main():
    x, y = images("train"), labels("train")
    order = np.random.default_rng(1).permutation(len(x))
    held_out, rest = order[:6000], order[6000:]
    with tempfile.TemporaryDirectory() as folder:
        with open(LIST) as file:
            listed = json.load(file)
        objective = keras_tuner.Objective("val_accuracy", "max")
        oracle = ListedOracle(listed, objective=objective, max_epochs=MAX_EPOCHS, factor=3, seed=1)
        tuner = ListedHyperband(oracle, build, directory=folder, project_name="peer")
        start = time.perf_counter()
        tuner.search(
            x[rest],
            y[rest],
            validation_data=(x[held_out], y[held_out]),
            batch_size=128,
            verbose=0,
            callbacks=[CountEpochs()],
        )
        seconds = time.perf_counter() - start
        best = tuner.get_best_models(1)[0]
        _, accuracy = best.evaluate(images("t10k"), labels("t10k"), verbose=0, batch_size=1000)
        value = tuner.oracle.get_best_trials(1)[0].score
        if next(oracle.listed, None) is not None:
            sys.exit("Keras Tuner did not train all that is listed")
    row = {"seconds": seconds, "epochs": CountEpochs.epochs, "val_accuracy": value, "test_accuracy": accuracy}
    print(json.dumps({**row, "rungs": rungs(oracle.trials.values())}))


main()
