#include "ndcao/evaluate/torch/zoo.h"

#include <fmt/format.h>

#include "ndcao/evaluate/torch/zoo_families.h"

namespace ndcao {
namespace {

struct Family {
  const char* form;    // as shown to people
  const char* prefix;  // "mlp:", or a whole name
  Result<NetworkDescription> (*describe)(const zoo::Request& request);
  double sigma = 0;  // see DefaultSigma
};

constexpr Family kFamilies[] = {
    {"mlp:784-256-10", "mlp:", zoo::Mlp},
    {"lenet5", "lenet5", zoo::LeNet5},
    {"cnn11k", "cnn11k", zoo::Cnn11k},
    {"resnet8", "resnet8", zoo::ResNet8},
    {"resnet20", "resnet20", zoo::ResNet20},
    {"lstm:28x128", "lstm:", zoo::Lstm},
    {"vit-tiny", "vit-tiny", zoo::VitTiny},
    {"bnn:784-256-10", "bnn:", zoo::BinaryMlp, 0.2},
    {"int8-mlp:784-256-10", "int8-mlp:", zoo::IntegerMlp, 4},
};

const Family* FindFamily(const std::string& name) {
  for (const Family& family : kFamilies) {
    const std::string prefix = family.prefix;
    const bool takes_argument = prefix.back() == ':';
    if (takes_argument ? name.starts_with(prefix) : name == prefix) return &family;
  }
  return nullptr;
}

}  // namespace

Result<NetworkDescription> DescribeZooModel(const std::string& name, const DataShape& data) {
  if (const Family* family = FindFamily(name)) {
    return family->describe({name, name.substr(std::string(family->prefix).size()), data});
  }
  return Invalid(fmt::format("--model {}: unknown; allowed: {} or a TorchScript FILE.pt", name,
                             fmt::join(ZooNames(), ", ")));
}

std::vector<std::string> ZooNames() {
  std::vector<std::string> names;
  for (const Family& family : kFamilies) names.emplace_back(family.form);
  return names;
}

double DefaultSigma(const std::string& model) {
  const Family* family = FindFamily(model);
  return family == nullptr ? 0 : family->sigma;
}

}  // namespace ndcao
