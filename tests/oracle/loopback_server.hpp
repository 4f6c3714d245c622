#pragma once

#include <array>
#include <atomic>
#include <map>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace weft::oracle {

/// An HTTP server on 127.0.0.1 with fixed pages, for one test case. A page that stalls is never answered; an unknown one is a 404.
class LoopbackServer {
 public:
  struct Page {
    std::string body;
    bool stalls = false;
  };

  explicit LoopbackServer(std::map<std::string, Page> pages) : pages_(std::move(pages)), listening_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    if (listening_ < 0 || ::bind(listening_, any, size) != 0 || ::listen(listening_, 8) != 0 || ::getsockname(listening_, any, &size) != 0)
      throw std::runtime_error("no loopback server");
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~LoopbackServer() {
    stop_ = true;
    thread_.join();
    for (const int connection : stalled_) ::close(connection);
    ::close(listening_);
  }
  LoopbackServer(const LoopbackServer&) = delete;
  LoopbackServer& operator=(const LoopbackServer&) = delete;

  /// "http://127.0.0.1:port/path"
  std::string url(const std::string& path) const { return "http://127.0.0.1:" + std::to_string(port_) + "/" + path; }
  int requests() const { return requests_; }

 private:
  void serve() {
    while (!stop_) {
      pollfd wanted{listening_, POLLIN, 0};
      if (::poll(&wanted, 1, 10) != 1) continue;
      const int connection = ::accept(listening_, nullptr, nullptr);
      if (connection >= 0) answer(connection);
    }
  }

  void answer(int connection) {
    std::string request;
    std::array<char, 1024> buffer;
    while (request.find("\r\n\r\n") == std::string::npos) {
      const ssize_t got = ::recv(connection, buffer.data(), buffer.size(), 0);
      if (got <= 0) break;
      request.append(buffer.data(), static_cast<std::size_t>(got));
    }
    ++requests_;
    const std::size_t begin = request.find('/') + 1, end = request.find(' ', begin);
    const auto page = pages_.find(request.substr(begin, end - begin));
    if (page != pages_.end() && page->second.stalls) return stalled_.push_back(connection);
    const std::string body = page == pages_.end() ? "nothing here" : page->second.body;
    const std::string response = std::string("HTTP/1.1 ") + (page == pages_.end() ? "404 Not Found" : "200 OK") +
                                 "\r\nConnection: close\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    for (std::size_t sent = 0; sent < response.size();) {
      const ssize_t more = ::send(connection, response.data() + sent, response.size() - sent, MSG_NOSIGNAL);
      if (more <= 0) break;
      sent += static_cast<std::size_t>(more);
    }
    ::close(connection);
  }

  std::map<std::string, Page> pages_;
  int listening_;
  int port_ = 0;
  std::vector<int> stalled_;
  std::atomic<int> requests_ = 0;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

}  // namespace weft::oracle
