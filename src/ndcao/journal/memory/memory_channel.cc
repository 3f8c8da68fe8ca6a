#include "ndcao/journal/memory/memory_channel.h"

#include <thread>

namespace ndcao {

class MemoryChannel : public Channel {
 public:
  MemoryChannel(MemoryPost& post, std::uint32_t stage) : post_(post), stage_(stage) {}

  Status Send(std::uint32_t stage, std::span<const std::byte> message) override {
    if (message.size() > post_.max_message_) return Invalid("the message is too large");
    const std::lock_guard lock(post_.mutex_);
    if (!post_.lose_()) post_.boxes_[stage].emplace_back(message.begin(), message.end());
    return Ok();
  }

  Result<std::optional<std::vector<std::byte>>> Receive(std::chrono::milliseconds wait) override {
    std::optional<std::vector<std::byte>> message = Take();
    if (!message && wait.count() > 0) {
      std::this_thread::sleep_for(std::chrono::microseconds(100));
      message = Take();
    }
    return message;
  }

  std::size_t max_message() const override { return post_.max_message_; }

 private:
  std::optional<std::vector<std::byte>> Take() {
    const std::lock_guard lock(post_.mutex_);
    auto& box = post_.boxes_[stage_];
    if (box.empty()) return std::nullopt;
    std::vector<std::byte> message = std::move(box.front());
    box.pop_front();
    return message;
  }

  MemoryPost& post_;
  const std::uint32_t stage_;
};

std::unique_ptr<Channel> MemoryPost::Open(std::uint32_t stage) {
  return std::make_unique<MemoryChannel>(*this, stage);
}

}  // namespace ndcao
