#include "ndcao/evaluate/torch/stage_model.h"

#include <fmt/format.h>
#include <torch/script.h>

#include <algorithm>
#include <sstream>

#include "ndcao/evaluate/torch/build_module.h"
#include "ndcao/evaluate/torch/load_model.h"
#include "ndcao/evaluate/torch/runtime.h"
#include "ndcao/evaluate/torch/torch_stage.h"

namespace ndcao {
namespace {

using torch::jit::Module;

Error NoSequence(const std::string& model, const std::string& operation) {
  return Invalid(fmt::format(
      "--model {}: it cannot be cut into stages: its forward pass is no sequence of modules, each "
      "of which takes what the one before made ('{}' is in it)",
      model, operation));
}

// The modules that a Sequential calls, in order: its forward pass is nothing but calls, each of
// which takes what the one before made.
Result<std::vector<Module>> Children(const std::string& model, const Module& module) {
  const auto graph = module.get_method("forward").graph();
  std::vector<Module> children;
  const torch::jit::Value* x = graph->inputs().back();
  for (const torch::jit::Node* node : graph->nodes()) {
    if (node->kind() == c10::prim::GetAttr || node->kind() == c10::prim::Constant) continue;
    const bool call = node->kind() == c10::prim::CallMethod && node->inputs().size() == 2 &&
                      node->input(0)->node()->kind() == c10::prim::GetAttr && node->input(1) == x;
    if (!call) return NoSequence(model, node->kind().toQualString());
    const std::string name = node->input(0)->node()->s(c10::attr::name);
    children.push_back(module.attr(name).toModule());
    x = node->output();
  }
  if (children.empty() || graph->outputs().size() != 1 || graph->outputs()[0] != x) {
    return NoSequence(model, "return");
  }
  return children;
}

Module Chain(const std::vector<Module>& children) {
  Module chain("Stage");
  std::string source = "def forward(self, x):\n";
  for (std::size_t i = 0; i < children.size(); ++i) {
    chain.register_module(fmt::format("m{}", i), children[i]);
    source += fmt::format("    x = self.m{}.forward(x)\n", i);
  }
  chain.define(source + "    return x\n");
  return chain;
}

Result<std::vector<Module>> LoadChildren(const std::string& path) {
  Result<std::vector<Module>> children = Failed("");
  NDCAO_TRY(CatchTorch("--model " + path,
                       [&] { children = Children(path, torch::jit::load(path, at::kCPU)); }));
  return children;
}

std::uint64_t CountParameters(const Module& module) {
  std::uint64_t count = 0;
  for (const at::Tensor& tensor : module.parameters()) {
    count += static_cast<std::uint64_t>(tensor.numel());
  }
  return count;
}

// One section for each module with parameters; those without belong to the one before.
Result<std::vector<SectionInfo>> SectionsOfFile(const std::string& path) {
  NDCAO_ASSIGN(const std::vector<Module> children, LoadChildren(path));
  std::vector<SectionInfo> sections;
  for (std::uint32_t i = 0; i < children.size(); ++i) {
    const std::uint64_t parameters = CountParameters(children[i]);
    const bool first = sections.empty() || (sections.front().parameters == 0);
    if (parameters > 0 && !first) sections.push_back({fmt::format("{}", i), 0, 0, {}});
    if (sections.empty()) sections.push_back({"0", 0, 0, {}});
    sections.back().end = i + 1;
    sections.back().parameters += parameters;
  }
  return sections;
}

Result<std::vector<SectionInfo>> SectionsOfZoo(const ModelRequest& request) {
  NDCAO_ASSIGN(const NetworkDescription network, DescribeZooModel(request.model, request.data));
  if (network.sections.empty()) {
    NDCAO_ASSIGN(const Module module, BuildModule(network, 0));
    const auto children = Children(request.model, module);
    return children.ok() ? NoSequence(request.model, "forward") : children.error();
  }
  std::vector<SectionInfo> sections;
  std::size_t begin = 0;
  for (const NetworkSection& section : network.sections) {
    SectionInfo info{
        network.tensors[begin].layer, static_cast<std::uint32_t>(sections.size() + 1), 0, {}};
    for (; begin < section.end; ++begin) info.parameters += ValuesOf(network.tensors[begin].shape);
    sections.push_back(std::move(info));
  }
  return sections;
}

// Two examples through one section after another, to see what passes between them.
Status FillShapes(StageModel stage, const Dataset& data, std::vector<SectionInfo>& sections) {
  const std::vector<std::uint32_t> examples = {0, 1 % data.train().size()};
  std::vector<float> values(examples.size() * data.features());
  data.Gather(data.train(), examples, values);
  stage.input_shape = stage.example_shape;
  for (SectionInfo& section : sections) {
    stage.to = section.end;
    if (!stage.model.empty() && IsModelFile(stage.model)) {
      NDCAO_ASSIGN(stage.module, CutModule(stage.model, stage.from, stage.to));
    }
    NDCAO_ASSIGN(const auto network, TorchStage::Create(stage));
    NDCAO_ASSIGN(const auto outputs, network->Forward(values));
    values.assign(outputs.begin(), outputs.end());
    section.output_shape = network->output_shape();
    stage.from = stage.to;
    stage.input_shape = section.output_shape;
  }
  return Ok();
}

}  // namespace

Result<std::vector<SectionInfo>> DescribeSections(const NetworkOptions& options,
                                                  const Dataset& data) {
  NDCAO_ASSIGN(const BatchNorm batch_norm, ParseBatchNorm(options.batch_norm));
  const ModelRequest request{options.model, ShapeOf(data), batch_norm};
  NDCAO_ASSIGN(std::vector<SectionInfo> sections,
               IsModelFile(options.model) ? SectionsOfFile(options.model) : SectionsOfZoo(request));
  StageModel stage;
  stage.model = options.model;
  stage.batch_norm = options.batch_norm;
  stage.example_shape = request.data.example;
  stage.classes = request.data.classes;
  NDCAO_TRY(FillShapes(stage, data, sections));
  return sections;
}

Result<std::string> CutModule(const std::string& model, std::uint32_t from, std::uint32_t to) {
  if (!IsModelFile(model)) return std::string();
  NDCAO_ASSIGN(const std::vector<Module> children, LoadChildren(model));
  std::ostringstream out;
  NDCAO_TRY(CatchTorch("--model " + model, [&] {
    Chain({children.begin() + from, children.begin() + to}).save(out);
  }));
  return out.str();
}

Result<std::unique_ptr<StageNetwork>> MakeStageNetwork(const StageModel& model) {
  NDCAO_ASSIGN(auto stage, TorchStage::Create(model));
  return std::unique_ptr<StageNetwork>(std::move(stage));
}

}  // namespace ndcao
