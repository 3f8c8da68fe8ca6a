"""Makes TorchScript files as users of PyTorch would: python3 make_models.py FOLDER."""

import pathlib
import sys

import torch
from torch import nn


class Cnn(nn.Module):
    """A convolutional network with BatchNorm whose running statistics are not the initial ones."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 6, 3, stride=2, bias=False), nn.BatchNorm2d(6), nn.ReLU(),
            nn.Conv2d(6, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.5),
            nn.Flatten(), nn.Linear(8 * 36, 10))
        self.train()
        for _ in range(3):
            self.body(torch.randn(32, 1, 28, 28) * 2 + 1)

    def forward(self, x):
        return self.body(x)


class Lstm(nn.Module):
    """Reads the image row by row."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(28, 16, batch_first=True)
        self.fc = nn.Linear(16, 10)

    def forward(self, x):
        out, _ = self.lstm(x.squeeze(1))
        return self.fc(out[:, -1])


class Encoder(nn.Module):
    """A Transformer encoder whose input is an embedding of the rows' mean brightness."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(16, 24)
        layer = nn.TransformerEncoderLayer(24, 2, 32, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2)
        self.fc = nn.Linear(24, 10)

    def forward(self, x):
        tokens = (x.mean(dim=[1, 3]) * 40 + 8).long().clamp(0, 15)
        return self.fc(self.encoder(self.embedding(tokens)).mean(dim=1))


class Tied(nn.Module):
    """The same matrix twice, once transposed."""

    def __init__(self) -> None:
        super().__init__()
        self.encode = nn.Linear(784, 8, bias=False)
        self.again = nn.Linear(784, 8, bias=False)
        self.again.weight = self.encode.weight
        self.out = nn.Linear(8, 10)

    def forward(self, x):
        x = x.flatten(1)
        return self.out(torch.tanh(self.encode(x)) + self.again(x))


class Views(nn.Module):
    """Two parameters that are parts of one tensor: disjoint, or overlapping by some rows."""

    def __init__(self, rows: int) -> None:
        super().__init__()
        both = torch.randn(20, 784) * 0.03
        self.first = nn.Parameter(both[:rows].detach())
        self.second = nn.Parameter(both[10:].detach())

    def forward(self, x):
        x = x.flatten(1)
        first = x.matmul(self.first.t())[:, :10]
        return first + torch.tanh(x.matmul(self.second.t()))


class Transposed(nn.Module):
    """A parameter whose memory is not in order."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter((torch.randn(10, 784) * 0.03).t())

    def forward(self, x):
        return x.flatten(1).matmul(self.weight)


class TupleOut(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(784, 10)

    def forward(self, x):
        y = self.fc(x.flatten(1))
        return y, y.sum()


class Bare(nn.Module):
    """No parameters."""

    def forward(self, x):
        return x.flatten(1)[:, :10]


class Text(nn.Module):
    """Does not answer a tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(784, 10)

    def forward(self, x):
        return "no"


class Saturated(nn.Module):
    """Outputs that a small change of the parameters leaves as they are."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(784, 10)
        with torch.no_grad():
            self.fc.bias.fill_(1000.0)

    def forward(self, x):
        return torch.sigmoid(self.fc(x.flatten(1)))


def linear(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(inputs, outputs))


def main(folder: pathlib.Path) -> None:
    torch.manual_seed(1)
    example = torch.randn(4, 1, 28, 28)

    def script(name: str, module: nn.Module) -> None:
        torch.jit.script(module).save(str(folder / name))

    def trace(name: str, module: nn.Module) -> None:
        torch.jit.trace(module.eval(), example, check_trace=False).save(str(folder / name))

    script("scripted_cnn.pt", Cnn())
    trace("traced_cnn.pt", Cnn())
    script("scripted_lstm.pt", Lstm())
    trace("traced_lstm.pt", Lstm())
    script("scripted_encoder.pt", Encoder())
    trace("traced_encoder.pt", Encoder())
    script("tied.pt", Tied())
    script("views.pt", Views(10))
    script("overlap.pt", Views(12))
    script("transposed.pt", Transposed())
    script("tuple.pt", TupleOut())
    script("bare.pt", Bare())
    script("text.pt", Text())
    script("saturated.pt", Saturated())
    script("half.pt", linear(784, 10).half())
    script("inputs.pt", linear(100, 10))
    script("outputs.pt", linear(784, 7))
    frozen = torch.jit.freeze(torch.jit.script(linear(784, 10).eval()))
    frozen.save(str(folder / "frozen.pt"))
    torch.save(linear(784, 10).state_dict(), folder / "state_dict.pt")
    (folder / "corrupt.pt").write_bytes((folder / "tied.pt").read_bytes()[:3000])
    (folder / "words.pt").write_text("these are words\n")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
