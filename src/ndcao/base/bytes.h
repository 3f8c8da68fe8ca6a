// Little-endian encoding into and out of byte strings, for the journal's records and the
// snapshots. The reader never reads past its end: after a short read it stays failed.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace ndcao {

static_assert(std::endian::native == std::endian::little, "the formats are little-endian");

class ByteWriter {
 public:
  template <typename T>
  void Put(T value) {
    static_assert(std::is_arithmetic_v<T>);
    const auto* bytes = reinterpret_cast<const std::byte*>(&value);
    bytes_.insert(bytes_.end(), bytes, bytes + sizeof(T));
  }
  /// The elements alone; their number is the caller's to write.
  template <typename T>
  void PutAll(std::span<const T> values) {
    const auto bytes = std::as_bytes(values);
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  }
  /// A 32-bit length, then the characters.
  void PutString(std::string_view text) {
    Put(static_cast<std::uint32_t>(text.size()));
    PutAll(std::span<const char>(text.data(), text.size()));
  }
  /// A 64-bit count, then the elements.
  template <typename T>
  void PutVector(const std::vector<T>& values) {
    Put(static_cast<std::uint64_t>(values.size()));
    PutAll(std::span<const T>(values));
  }

  const std::vector<std::byte>& bytes() const { return bytes_; }
  std::vector<std::byte> Take() { return std::move(bytes_); }

 private:
  std::vector<std::byte> bytes_;
};

class ByteReader {
 public:
  explicit ByteReader(std::span<const std::byte> bytes) : rest_(bytes) {}

  /// The next value; zero once the reader has failed.
  template <typename T>
  T Get() {
    T value{};
    Copy(&value, sizeof(T));
    return value;
  }
  template <typename T>
  void GetAll(std::span<T> values) {
    Copy(values.data(), values.size_bytes());
  }
  std::string GetString() {
    const auto size = Get<std::uint32_t>();
    if (size > rest_.size()) return Fail(), std::string();
    std::string text(size, '\0');
    Copy(text.data(), size);
    return text;
  }
  template <typename T>
  std::vector<T> GetVector() {
    const auto count = Get<std::uint64_t>();
    if (count > rest_.size() / sizeof(T)) return Fail(), std::vector<T>();
    std::vector<T> values(count);
    GetAll(std::span<T>(values));
    return values;
  }

  void Fail() { ok_ = false, rest_ = {}; }
  bool ok() const { return ok_; }
  std::size_t remaining() const { return rest_.size(); }

 private:
  void Copy(void* to, std::size_t size) {
    if (size > rest_.size()) return Fail();
    if (size == 0) return;
    std::memcpy(to, rest_.data(), size);
    rest_ = rest_.subspan(size);
  }

  std::span<const std::byte> rest_;
  bool ok_ = true;
};

}  // namespace ndcao
