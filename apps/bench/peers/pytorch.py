"""The networks of apps/models in PyTorch: reads requests from standard input, answers with the seconds they took.

  threads N
  step NET SIDE CLASSES BATCH FORMAT CALLS   (pytorch.hpp says what SIDE and CLASSES are)
  infer FORMAT CALLS
  lstm STEPS BATCH UNITS PASS CALLS

Answers begin with "= "; whatever else a library prints is passed over.
"""
import sys
import time

import torch
from torch import nn

formats = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
width = 16


def answer(text):
    print("=", text, flush=True)


def mnist_cnn(classes):
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(1568, 128), nn.ReLU(), nn.Linear(128, classes))


def conv(i, o, stride=1):
    return nn.Sequential(nn.Conv2d(i, o, 3, padding=1, stride=stride, bias=False), nn.BatchNorm2d(o), nn.ReLU())


class Sum(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return x + self.inner(x)


def image_net(name, side, classes):
    w = width
    wrap = Sum if name.startswith("resnet") else nn.Sequential
    pair = lambda c: wrap(nn.Sequential(conv(c, c), conv(c, c)))
    middle = [pair(4 * w)] if name.endswith("12") else []
    return nn.Sequential(
        conv(3, w, 2 if side >= 64 else 1), conv(w, 2 * w), nn.MaxPool2d(2), pair(2 * w), conv(2 * w, 4 * w), nn.MaxPool2d(2),
        *middle, conv(4 * w, 8 * w), nn.MaxPool2d(2), pair(8 * w), nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(8 * w, classes))


def optimizer_of(name, parameters):
    kind, options = (torch.optim.SGD, dict(momentum=0.9, nesterov=True, weight_decay=5e-4)) if name.startswith(("resnet", "vgg")) else (torch.optim.Adam, {})
    try:
        return kind(parameters, lr=1e-3, fused=True, **options)  # the fastest
    except (RuntimeError, TypeError):
        return kind(parameters, lr=1e-3, **options)


class Case:
    def __init__(self, name, side, classes, batch, form):
        torch.manual_seed(42)
        mnist = name == "mnist"
        self.net = (mnist_cnn(classes) if mnist else image_net(name, side, classes)).to(memory_format=formats[form])
        self.x = torch.randn(batch, 1 if mnist else 3, side, side).to(memory_format=formats[form])
        self.targets = torch.randint(0, classes, (batch,))
        self.loss = nn.CrossEntropyLoss()
        self.optimizer = optimizer_of(name, self.net.parameters())

    def step(self):
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss(self.net(self.x), self.targets)
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def infer(self):
        with torch.inference_mode():
            return self.net(self.x)


class LanguageCase:
    """The tied LSTM of ptb and wikitext2, its state carried from batch to batch."""

    def __init__(self, steps, words, batch, units=256, dropout=0.45):
        torch.manual_seed(42)
        self.words, self.lstm = nn.Embedding(words, units), nn.LSTM(units, units)
        self.softmax, self.drop = nn.Linear(units, words), nn.Dropout(dropout)
        self.softmax.weight = self.words.weight
        self.net = nn.ModuleList([self.words, self.lstm, self.softmax])
        self.x, self.targets = torch.randint(0, words, (steps, batch)), torch.randint(0, words, (steps * batch,))
        self.state = tuple(torch.zeros(1, batch, units) for _ in range(2))
        self.loss = nn.CrossEntropyLoss()
        self.optimizer = optimizer_of("lstm", self.net.parameters())

    def step(self):
        self.optimizer.zero_grad(set_to_none=True)
        states, self.state = self.lstm(self.drop(self.words(self.x)), tuple(s.detach() for s in self.state))
        loss = self.loss(self.softmax(self.drop(states)).flatten(0, 1), self.targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 0.5)
        self.optimizer.step()
        return loss.item()


class SeriesCase:
    """The linear map of etth1 and electricity: windows without their mean."""

    def __init__(self, name, look_back, horizon, batch):
        torch.manual_seed(42)
        series = 7 if name == "etth1" else 1
        self.net = nn.Linear(look_back, horizon)
        self.x, self.targets = torch.randn(batch, series, look_back), torch.randn(batch, series, horizon)
        self.loss = nn.MSELoss()
        self.optimizer = optimizer_of(name, self.net.parameters())

    def step(self):
        self.optimizer.zero_grad(set_to_none=True)
        mean = self.x.mean(-1, keepdim=True)
        loss = self.loss(self.net(self.x - mean) + mean, self.targets)
        loss.backward()
        self.optimizer.step()
        return loss.item()


class TextCase:
    """ag_news' linear layer on the mean of word vectors."""

    def __init__(self, steps, classes, batch, vocabulary=33770, units=64, dropout=0.3):
        torch.manual_seed(42)
        self.net = nn.Sequential(nn.EmbeddingBag(vocabulary, units, mode="mean"), nn.Dropout(dropout), nn.Linear(units, classes))
        self.x, self.targets = torch.randint(0, vocabulary, (batch, steps)), torch.randint(0, classes, (batch,))
        self.loss = nn.CrossEntropyLoss()
        self.optimizer = optimizer_of("ag_news", self.net.parameters())

    def step(self):
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss(self.net(self.x), self.targets)
        loss.backward()
        self.optimizer.step()
        return loss.item()


class Lstm:
    def __init__(self, steps, batch, units):
        torch.manual_seed(42)
        self.net = nn.LSTM(units, units)
        self.x = torch.randn(steps, batch, units, requires_grad=True)

    def forward(self):
        return self.net(self.x)[0]

    def step(self):
        self.net.zero_grad(set_to_none=True)
        self.x.grad = None
        self.forward().sum().backward()


lstms = {}
cases = {}
def case(name, *key):
    if (name, *key) not in cases:
        made = (LanguageCase(*key[:3]) if name == "lstm" else TextCase(*key[:3]) if name == "ag_news" else
                SeriesCase(name, *key[:3]) if name in ("etth1", "electricity") else Case(name, *key))
        cases[(name, *key)] = made
    return cases[(name, *key)]


clock = time.perf_counter
def timed(call, calls):
    began = clock()
    for _ in range(calls):
        call()
    answer(clock() - began)


case("mnist", 28, 10, 2, "contiguous").step()
capability = getattr(torch.backends.cpu, "get_cpu_capability", lambda: "?")()
onednn = [line.strip(" -") for line in torch.__config__.show().splitlines() if "MKL-DNN" in line]
answer(", ".join([torch.__version__, "kernels for " + capability] + onednn))
for line in sys.stdin:
    words = line.split()
    if words[0] == "threads":
        torch.set_num_threads(int(words[1]))
        clock = time.process_time if words[1] == "1" else time.perf_counter  # as measure.cpp: with one thread processor time counts
        answer("ok")
    elif words[0] == "step":
        name, side, classes, batch, form, calls = words[1:]
        timed(case(name, int(side), int(classes), int(batch), form).step, int(calls))
    elif words[0] == "infer":
        timed(case("mnist", 28, 10, 1, words[1]).infer, int(words[2]))
    elif words[0] == "lstm":
        key = tuple(int(word) for word in words[1:4])
        if key not in lstms:
            lstms[key] = Lstm(*key)
        timed(getattr(lstms[key], words[4]), int(words[5]))
