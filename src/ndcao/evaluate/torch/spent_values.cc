#include "ndcao/evaluate/torch/spent_values.h"

#include <ATen/ATen.h>

#include <unordered_map>
#include <unordered_set>

#include "ndcao/evaluate/torch/local_tail.h"

namespace ndcao {
namespace {

/// Tensors that share memory are one.
using Key = const c10::StorageImpl*;
Key KeyOf(const at::Tensor& tensor) {
  return tensor.has_storage() ? tensor.storage().unsafeGetStorageImpl() : nullptr;
}

std::unordered_set<Key> Read(const OperationTape& tape, const TapeUses& uses) {
  const auto& operations = tape.operations();
  std::unordered_set<Key> read = {KeyOf(tape.output())};
  const auto add = [&](const at::Tensor& t) { read.insert(KeyOf(t)); };
  for (const std::size_t i : uses.tails) VisitReadByPullBack(operations[i], add);
  for (const WeightCall& call : uses.calls) {
    if (call.weight) add(operations[call.operation].tensor(call.input));
  }
  for (const std::vector<std::size_t>& together : uses.changes) {
    std::unordered_set<const c10::TensorImpl*> fresh;
    for (const std::size_t i : together) {
      add(operations[i].output());
      fresh.insert(operations[i].output().unsafeGetTensorImpl());
    }
    for (std::size_t i = together.front(); i < operations.size(); ++i) {
      const auto is_fresh = [&](const at::Tensor& t) {
        return fresh.contains(t.unsafeGetTensorImpl());
      };
      bool again = false;  // whether the operation is done again, with some inputs as they were
      VisitInputs(operations[i], [&](const at::Tensor& t) { again = again || is_fresh(t); });
      if (!again) continue;
      VisitInputs(operations[i], [&](const at::Tensor& t) {
        if (!is_fresh(t)) add(t);
      });
      VisitResults(operations[i],
                   [&](const at::Tensor& t) { fresh.insert(t.unsafeGetTensorImpl()); });
    }
  }
  return read;
}

}  // namespace

Spent FindSpent(const OperationTape& tape, const TapeUses& uses, const ParameterMemory& memory) {
  const auto& operations = tape.operations();
  const std::unordered_set<Key> read = Read(tape, uses);
  std::unordered_set<Key> seen;
  std::unordered_map<Key, std::size_t> made;  // by which operation; others come from outside
  std::unordered_map<Key, std::size_t> last;
  for (std::size_t i = 0; i < operations.size(); ++i) {
    const auto touch = [&](const at::Tensor& t) {
      seen.insert(KeyOf(t));
      last[KeyOf(t)] = i;
    };
    VisitInputs(operations[i], touch);
    const at::Tensor result = operations[i].output();
    const bool floats = result.defined() && result.scalar_type() == at::kFloat;
    if (floats && result.numel() > 0 && !seen.contains(KeyOf(result)) && !memory.Holds(result)) {
      made[KeyOf(result)] = i;
    }
    VisitResults(operations[i], touch);
  }
  Spent spent;
  for (const auto& [key, operation] : made) {
    if (!read.contains(key)) spent[last.at(key)].push_back(operation);
  }
  return spent;
}

}  // namespace ndcao
