#include <weft/apps/bench/peers/pytorch.hpp>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include <weft/core/error.hpp>
#include <weft/core/text.hpp>

namespace weft::bench {

namespace {

// Answers begin with "= "; whatever else a library prints is passed over. Fused optimizers are PyTorch's fastest. With one thread
// processor time counts, as in measure.cpp.
constexpr const char* kScript = R"python(
import sys, time
import torch
from torch import nn

formats = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}

def answer(text):
    print("=", text, flush=True)

def mnist_cnn():
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(1568, 128), nn.ReLU(), nn.Linear(128, 10))

def conv(i, o):
    return nn.Sequential(nn.Conv2d(i, o, 3, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU())

class Sum(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return x + self.inner(x)

def image_net(residual, w=16):
    pair = lambda c: (Sum if residual else nn.Sequential)(nn.Sequential(conv(c, c), conv(c, c)))
    return nn.Sequential(
        conv(3, w), conv(w, 2 * w), nn.MaxPool2d(2), pair(2 * w), conv(2 * w, 4 * w), nn.MaxPool2d(2),
        conv(4 * w, 8 * w), nn.MaxPool2d(2), pair(8 * w), nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(8 * w, 10))

nets = {"mnist": (mnist_cnn, (1, 28, 28)), "resnet9": (lambda: image_net(True), (3, 32, 32)), "vgg9": (lambda: image_net(False), (3, 32, 32))}

def optimizer_of(name, parameters):
    kind, options = (torch.optim.Adam, {}) if name == "mnist" else (torch.optim.SGD, dict(momentum=0.9, nesterov=True, weight_decay=5e-4))
    try:
        return kind(parameters, lr=1e-3, fused=True, **options)
    except (RuntimeError, TypeError):
        return kind(parameters, lr=1e-3, **options)

class Case:
    def __init__(self, name, form, batch):
        torch.manual_seed(42)
        make, shape = nets[name]
        self.net = make().to(memory_format=formats[form])
        self.x = torch.randn(batch, *shape).to(memory_format=formats[form])
        self.targets = torch.randint(0, 10, (batch,))
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

def timed(call, calls):
    began = clock()
    for _ in range(calls):
        call()
    answer(clock() - began)

clock = time.perf_counter
cases = {}
def case(name, form, batch):
    if (name, form, batch) not in cases:
        cases[name, form, batch] = Case(name, form, batch)
    return cases[name, form, batch]

case("mnist", "contiguous", 2).step()
capability = getattr(torch.backends.cpu, "get_cpu_capability", lambda: "?")()
onednn = [line.strip(" -") for line in torch.__config__.show().splitlines() if "MKL-DNN" in line]
answer(", ".join([torch.__version__, "kernels for " + capability] + onednn))
for line in sys.stdin:
    words = line.split()
    if words[0] == "threads":
        torch.set_num_threads(int(words[1]))
        clock = time.process_time if words[1] == "1" else time.perf_counter
        answer("ok")
    elif words[0] == "step":
        timed(case(words[1], words[2], int(words[3])).step, int(words[4]))
    elif words[0] == "infer":
        timed(case("mnist", words[1], 1).infer, int(words[2]))
)python";

}  // namespace

PyTorch::PyTorch(const std::string& python) : python_(python) {
  int down[2] = {-1, -1}, up[2] = {-1, -1};
  if (pipe2(down, O_CLOEXEC) != 0 || pipe2(up, O_CLOEXEC) != 0) refuse(cat("no pipe: ", std::strerror(errno)));
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, down[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, up[1], STDOUT_FILENO);
  std::string name = python, flag = "-c", script = kScript;
  std::array<char*, 4> words{name.data(), flag.data(), script.data(), nullptr};
  const int failed = posix_spawnp(&process_, python.c_str(), &actions, nullptr, words.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(down[0]);
  close(up[1]);
  to_ = fdopen(down[1], "w");
  from_ = fdopen(up[0], "r");
  if (failed != 0) {
    process_ = -1;
    refuse(cat("cannot be started: ", std::strerror(failed)));
  }
  std::signal(SIGPIPE, SIG_IGN);  // a child that has gone is an error of ask()
  version_ = ask("");
}

PyTorch::~PyTorch() { stop(); }

void PyTorch::stop() {
  if (to_ != nullptr) std::fclose(to_);  // the script ends with its input
  if (from_ != nullptr) std::fclose(from_);
  to_ = from_ = nullptr;
  if (process_ > 0) waitpid(process_, nullptr, 0);
  process_ = -1;
}

void PyTorch::refuse(const std::string& what) {
  stop();
  throw DeviceError({.op = "PyTorch", .path = python_, .what = what, .hint = "name a Python that can import torch in WEFT_PYTHON"});
}

std::string PyTorch::ask(const std::string& request) {
  if (!request.empty()) {
    std::fprintf(to_, "%s\n", request.c_str());
    std::fflush(to_);
  }
  char line[4096];
  while (std::fgets(line, sizeof line, from_) != nullptr)
    if (std::strncmp(line, "= ", 2) == 0) {
      std::string text(line + 2);
      while (!text.empty() && text.back() == '\n') text.pop_back();
      return text;
    }
  refuse(request.empty() ? "ended before it had a network (its message is above)" : cat("ended at the request '", request, "'"));
}

void PyTorch::set_threads(int n) { ask(cat("threads ", n)); }

double PyTorch::steps(const std::string& net, const std::string& format, int batch, int calls) {
  return std::strtod(ask(cat("step ", net, " ", format, " ", batch, " ", calls)).c_str(), nullptr);
}

double PyTorch::inferences(const std::string& format, int calls) {
  return std::strtod(ask(cat("infer ", format, " ", calls)).c_str(), nullptr);
}

}  // namespace weft::bench
