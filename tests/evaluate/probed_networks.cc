#include "probed_networks.h"

#include <stdexcept>

namespace ndcao {

NetworkDescription Describe(
    const std::string& source,
    std::vector<std::pair<const char*, std::vector<std::int64_t>>> tensors) {
  NetworkDescription network;
  network.source = "def forward(self, x):\n" + source;
  for (const auto& [name, shape] : tensors) {
    const std::string text = name;
    const auto dot = text.find('.');
    network.Normal(text.substr(0, dot), text.substr(dot + 1), shape, 0.4);
  }
  return network;
}

std::vector<Network> Networks() {
  std::vector<Network> all;
  all.push_back(
      {"linear",
       Describe("    h = torch.linear(x, self.a.weight, self.a.bias).relu()\n"
                "    return torch.linear(h, self.b.weight, self.b.bias)\n",
                {{"a.weight", {6, 5}}, {"a.bias", {6}}, {"b.weight", {4, 6}}, {"b.bias", {4}}}),
       {5},
       2});
  all.push_back(
      {"addmm",
       Describe("    h = torch.addmm(self.a.bias, x, self.a.weight.t())\n"
                "    return torch.addmm(self.b.bias, torch.tanh(h), self.b.weight)\n",
                {{"a.weight", {6, 5}}, {"a.bias", {6}}, {"b.weight", {6, 4}}, {"b.bias", {4}}}),
       {5},
       2});
  all.push_back({"matmul",
                 Describe("    h = torch.matmul(x, self.a.weight) + self.a.bias\n"
                          "    return torch.tanh(h).sum(1)\n",
                          {{"a.weight", {5, 4}}, {"a.bias", {4}}}),
                 {3, 5},
                 1});
  all.push_back({"left product",
                 Describe("    h = torch.mm(self.a.weight, x.t())\n"
                          "    return torch.tanh(h).t()\n",
                          {{"a.weight", {4, 5}}}),
                 {5},
                 1});
  all.push_back({"merged rows",
                 Describe("    h = torch.linear(x.reshape(-1, 5), self.a.weight, self.a.bias)\n"
                          "    return torch.tanh(h).view(-1, 3, 4).sum(1)\n",
                          {{"a.weight", {4, 5}}, {"a.bias", {4}}}),
                 {3, 5},
                 1});
  all.push_back({"rows behind examples",
                 Describe("    h = torch.linear(x.transpose(0, 1).reshape(-1, 5), self.a.weight)\n"
                          "    return torch.tanh(h).view(3, -1, 4).sum(0)\n",
                          {{"a.weight", {4, 5}}}),
                 {3, 5},
                 1});
  all.push_back(
      {"part of a weight",
       Describe("    h = torch.linear(x, self.a.weight[:4]) * torch.linear(x, self.a.weight[4:])\n"
                "    return h\n",
                {{"a.weight", {8, 5}}}),
       {5},
       1});
  const auto conv = [&](const char* name, const std::string& options,
                        std::vector<std::int64_t> weight, std::size_t sites) {
    all.push_back({name,
                   Describe("    h = torch.conv2d(x, self.a.weight, self.a.bias" + options +
                                ")\n"
                                "    return torch.tanh(h).sum([2, 3])\n",
                            {{"a.weight", weight}, {"a.bias", {4}}}),
                   {2, 7, 6},
                   sites});
  };
  conv("conv2d", "", {4, 2, 3, 3}, 1);
  conv("conv2d with stride and padding", ", stride=2, padding=1", {4, 2, 3, 3}, 1);
  conv("conv2d with dilation", ", padding=2, dilation=2", {4, 2, 3, 3}, 1);
  conv("conv2d in groups", ", padding=1, groups=2", {4, 1, 3, 3}, 1);
  all.push_back({"pooled",
                 Describe("    h = torch.conv2d(x, self.a.weight, self.a.bias, padding=1)\n"
                          "    r = torch.maximum(h[:, :, 0::2], h[:, :, 1::2])\n"
                          "    h = torch.maximum(r[:, :, :, 0::2], r[:, :, :, 1::2]).relu()\n"
                          "    h = torch.conv2d(h, self.b.weight).relu()\n"
                          "    h = torch.max_pool2d(h, [2, 2])\n"
                          "    return torch.linear(h.flatten(1), self.c.weight)\n",
                          {{"a.weight", {3, 2, 3, 3}},
                           {"a.bias", {3}},
                           {"b.weight", {2, 3, 2, 2}},
                           {"c.weight", {4, 2}}}),
                 {2, 6, 6},
                 3});
  all.push_back({"idle dropout",
                 Describe("    h = torch.linear(x, self.a.weight, self.a.bias)\n"
                          "    h = torch.dropout(h, 0.5, False).relu()\n"
                          "    y = torch.linear(h, self.b.weight)\n"
                          "    return h + torch.dropout(y, 0.5, False)\n",
                          {{"a.weight", {4, 5}}, {"a.bias", {4}}, {"b.weight", {4, 4}}}),
                 {5},
                 2});
  all.push_back(
      {"columns of rows",
       Describe("    h = torch.linear(x, self.a.weight, self.a.bias)\n"
                "    return h.select(2, 1) * h.select(2, 2) + torch.tanh(h.select(2, 0))\n",
                {{"a.weight", {3, 5}}, {"a.bias", {3}}}),
       {4, 5},
       1});
  all.push_back({"rows out of order",
                 Describe("    rows = torch.linear(x, self.a.weight)\n"
                          "    late = torch.linear(torch.tanh(x), self.b.weight)\n"
                          "    sum = rows[:, 2] * late[:, 2] + rows[:, 0] * rows[:, 0]\n"
                          "    return sum + rows[:, 2] * late[0:, 1]\n",
                          {{"a.weight", {4, 5}}, {"b.weight", {4, 5}}}),
                 {3, 5},
                 1});
  all.push_back({"residual",
                 Describe("    y = torch.conv2d(x, self.a.weight, self.a.bias, padding=1).relu()\n"
                          "    z = torch.conv2d(y, self.b.weight, self.b.bias, padding=1)\n"
                          "    y = torch.add(y, z, alpha=0.5).relu()\n"
                          "    return torch.linear(y.mean([2, 3]), self.c.weight, self.c.bias)\n",
                          {{"a.weight", {3, 2, 3, 3}},
                           {"a.bias", {3}},
                           {"b.weight", {3, 3, 3, 3}},
                           {"b.bias", {3}},
                           {"c.weight", {4, 3}},
                           {"c.bias", {4}}}),
                 {2, 5, 5},
                 3});
  all.push_back(
      {"lstm gates",
       Describe("    rows = x.permute(1, 0, 2)\n"
                "    inputs = torch.linear(rows, self.i.weight, self.h.bias)\n"
                "    h = torch.zeros([x.size(0), 3])\n"
                "    c = torch.zeros([x.size(0), 3])\n"
                "    for t in range(rows.size(0)):\n"
                "        g = inputs[t] + torch.linear(h, self.h.weight)\n"
                "        i, f, z, o = g.chunk(4, 1)\n"
                "        c = torch.sigmoid(f + 1) * c + torch.sigmoid(i) * torch.tanh(z)\n"
                "        h = torch.sigmoid(o) * torch.tanh(c)\n"
                "    return torch.linear(h, self.fc.weight, self.fc.bias)\n",
                {{"i.weight", {12, 5}},
                 {"h.weight", {12, 3}},
                 {"h.bias", {12}},
                 {"fc.weight", {4, 3}},
                 {"fc.bias", {4}}}),
       {4, 5},
       2});
  all.push_back({"gates that share a row",
                 Describe("    inputs = torch.linear(x, self.i.weight)\n"
                          "    h = torch.zeros([x.size(0), 3])\n"
                          "    for t in [1, 1, 3]:\n"
                          "        g = inputs.select(1, t) + torch.linear(h, self.h.weight)\n"
                          "        i, z = g.chunk(2, 1)\n"
                          "        h = torch.sigmoid(i) * torch.tanh(z)\n"
                          "    return torch.linear(h, self.fc.weight)\n",
                          {{"i.weight", {6, 5}}, {"h.weight", {6, 3}}, {"fc.weight", {4, 3}}}),
                 {4, 5},
                 2});
  all.push_back(
      {"gru gates",
       Describe(
           "    h = torch.zeros([x.size(0), 3])\n"
           "    for t in range(x.size(1)):\n"
           "        a = torch.linear(x[:, t], self.i.weight, self.i.bias)\n"
           "        b = torch.linear(h, self.h.weight)\n"
           "        az, an = a.split(3, 1)\n"
           "        bz, bn = b.split(3, 1)\n"
           "        z = torch.sigmoid(az + bz)\n"
           "        h = z * h + (1 - z) * torch.tanh(an - bn)\n"
           "    return torch.linear(h, self.fc.weight)\n",
           {{"i.weight", {6, 5}}, {"i.bias", {6}}, {"h.weight", {6, 3}}, {"fc.weight", {4, 3}}}),
       {4, 5},
       2});
  all.push_back({"lstm layer",
                 Describe("    s = torch.zeros([1, x.size(0), 4])\n"
                          "    y, h, c = torch.lstm(x, [s, s], [self.a.wi, self.a.wh, self.a.bi, "
                          "self.a.bh], True, 1, 0.0, False, False, True)\n"
                          "    return y[:, 3]\n",
                          {{"a.wi", {16, 5}}, {"a.wh", {16, 4}}, {"a.bi", {16}}, {"a.bh", {16}}}),
                 {4, 5},
                 2,
                 0,
                 4,
                 false});
  all.push_back(
      {"attention projections",
       Describe("    q, k, v = torch.linear(x, self.qkv.weight, self.qkv.bias).chunk(3, 2)\n"
                "    a = torch.softmax(torch.matmul(q, k.transpose(1, 2)), 2)\n"
                "    y = x + torch.linear(torch.matmul(a, v), self.out.weight, self.out.bias)\n"
                "    y = torch.layer_norm(y, [4], self.norm.weight, self.norm.bias)\n"
                "    return y.mean(1)\n",
                {{"qkv.weight", {12, 4}},
                 {"qkv.bias", {12}},
                 {"out.weight", {4, 4}},
                 {"out.bias", {4}},
                 {"norm.weight", {4}},
                 {"norm.bias", {4}}}),
       {3, 4},
       2,
       2});
  all.push_back({"a call that nothing comes of",
                 Describe("    h = torch.linear(x, self.a.weight, self.a.bias).relu()\n"
                          "    idle = torch.linear(x + 1, self.a.weight, self.a.bias)\n"
                          "    return torch.linear(h, self.b.weight).view(idle.size(0), -1)\n",
                          {{"a.weight", {6, 5}}, {"a.bias", {6}}, {"b.weight", {4, 6}}}),
                 {5},
                 2});
  all.push_back({"few weights in two places",
                 Describe("    h = torch.conv2d(x, self.a.weight, padding=1)\n"
                          "    h = torch.cat([h.relu(), torch.neg(h).relu()], 1).mean([2, 3])\n"
                          "    return torch.linear(h, self.b.weight)\n",
                          {{"a.weight", {2, 1, 3, 3}}, {"b.weight", {4, 4}}}),
                 {1, 6, 6},
                 2});
  all.push_back({"written in place",
                 Describe("    h = torch.linear(x, self.a.weight, self.a.bias)\n"
                          "    h[:, 0] = 0.5\n"
                          "    return torch.tanh(torch.linear(h, self.b.weight))\n",
                          {{"a.weight", {6, 5}}, {"a.bias", {6}}, {"b.weight", {4, 6}}}),
                 {5},
                 2,
                 0,
                 4,
                 false});
  return all;
}

Network NetworkNamed(const std::string& name) {
  for (const Network& network : Networks()) {
    if (network.name == name) return network;
  }
  throw std::invalid_argument(name);
}

Network FewWeights() {
  return {"few weights",
          Describe("    h = torch.conv2d(x, self.a.weight, padding=1).relu()\n"
                   "    h = torch.conv2d(h, self.b.weight, padding=1).relu().mean([2, 3])\n"
                   "    return torch.linear(h, self.c.weight)\n",
                   {{"a.weight", {2, 1, 3, 3}}, {"b.weight", {5, 2, 3, 3}}, {"c.weight", {4, 5}}}),
          {1, 6, 6}};
}

}  // namespace ndcao
