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

PyTorch::PyTorch(const std::string& python) : python_(python) {
  int down[2] = {-1, -1}, up[2] = {-1, -1};
  if (pipe2(down, O_CLOEXEC) != 0 || pipe2(up, O_CLOEXEC) != 0) refuse(cat("no pipe: ", std::strerror(errno)));
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, down[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, up[1], STDOUT_FILENO);
  std::string name = python, script = WEFT_PYTORCH_SCRIPT;
  std::array<char*, 3> words{name.data(), script.data(), nullptr};
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

double PyTorch::steps(const PyTorchCase& c, const std::string& format, int calls) {
  return std::strtod(ask(cat("step ", c.net, " ", c.side, " ", c.classes, " ", c.batch, " ", format, " ", calls)).c_str(), nullptr);
}

double PyTorch::inferences(const std::string& format, int calls) {
  return std::strtod(ask(cat("infer ", format, " ", calls)).c_str(), nullptr);
}

double PyTorch::lstm(int steps, int batch, int units, const std::string& pass, int calls) {
  return std::strtod(ask(cat("lstm ", steps, " ", batch, " ", units, " ", pass, " ", calls)).c_str(), nullptr);
}

}  // namespace weft::bench
