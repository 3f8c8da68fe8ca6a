// Errors as values.
//
// A function that can fail for a reason outside the program (input, files, network, corrupt data)
// returns a Result<T> or a Status; our own bugs are NDCAO_CHECKs. Context is added on the way up:
//
//   Result<Dataset> data = ReadIdx(path);
//   if (!data.ok()) return data.error().Context("data set 'mnist'");
//   NDCAO_ASSIGN(auto spec, ParseRunSpec(text));   // returns the error to the caller
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <variant>

namespace ndcao {

enum class ErrorCode {
  kFailed,     ///< The run failed: exit code 1.
  kInvalid,    ///< An argument or an input file is wrong: exit code 2.
  kCorrupt,    ///< Stored bytes are not what was written.
  kConflict,   ///< Somebody else holds it, or was there first.
  kCancelled,  ///< Stopped on request: exit code 130.
};

/// What went wrong, in one sentence for the user.
class [[nodiscard]] Error {
 public:
  Error(ErrorCode code, std::string message) : code_(code), message_(std::move(message)) {}

  ErrorCode code() const { return code_; }
  const std::string& message() const { return message_; }

  /// The same error, with what was being attempted in front: "context: message".
  Error Context(const std::string& context) const { return {code_, context + ": " + message_}; }

 private:
  ErrorCode code_;
  std::string message_;
};

inline Error Invalid(std::string message) { return {ErrorCode::kInvalid, std::move(message)}; }
inline Error Failed(std::string message) { return {ErrorCode::kFailed, std::move(message)}; }
inline Error Corrupt(std::string message) { return {ErrorCode::kCorrupt, std::move(message)}; }

/// A value or an Error. Taking the wrong one aborts: it is a bug of the caller.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::move(value)) {}      // NOLINT: implicit by design
  Result(Error error) : state_(std::move(error)) {}  // NOLINT: implicit by design

  bool ok() const { return std::holds_alternative<T>(state_); }
  T& value() & { return *Get(); }
  const T& value() const& { return *const_cast<Result*>(this)->Get(); }
  T value() && { return std::move(*Get()); }
  const Error& error() const { return std::get<Error>(state_); }

 private:
  T* Get() {
    if (T* value = std::get_if<T>(&state_)) return value;
    std::fprintf(stderr, "ndcao: value of a failed Result: %s\n", error().message().c_str());
    std::abort();
  }

  std::variant<T, Error> state_;
};

/// Success or an Error.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Error error) : error_(std::move(error)), ok_(false) {}  // NOLINT: implicit by design

  bool ok() const { return ok_; }
  const Error& error() const { return error_; }

 private:
  Error error_{ErrorCode::kFailed, ""};
  bool ok_ = true;
};

inline Status Ok() { return {}; }

}  // namespace ndcao

#define NDCAO_CONCAT_INNER(a, b) a##b
#define NDCAO_CONCAT(a, b) NDCAO_CONCAT_INNER(a, b)

/// Evaluates a Status or Result expression; on failure returns its error from this function.
#define NDCAO_TRY(expression)                                   \
  do {                                                          \
    if (auto ndcao_status = (expression); !ndcao_status.ok()) { \
      return ndcao_status.error();                              \
    }                                                           \
  } while (false)

/// NDCAO_ASSIGN(auto x, F()): x is F()'s value; on failure its error is returned from this
/// function.
#define NDCAO_ASSIGN(declaration, expression) \
  NDCAO_ASSIGN_INNER(NDCAO_CONCAT(ndcao_result_, __LINE__), declaration, expression)
#define NDCAO_ASSIGN_INNER(result, declaration, expression) \
  auto result = (expression);                               \
  if (!result.ok()) return result.error();                  \
  declaration = std::move(result).value()

/// Aborts with a message when a condition that only a bug can break does not hold.
#define NDCAO_CHECK(condition)                                                           \
  do {                                                                                   \
    if (!(condition)) {                                                                  \
      std::fprintf(stderr, "%s:%d: check failed: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                      \
    }                                                                                    \
  } while (false)
