"""resnet.py: the networks of the layer table in plain PyTorch, with torchvision's tensor names, for machines without torchvision."""
import torch
from torch import nn

# name: (bottleneck, blocks, groups, width of a group)
NETWORKS = {
    "resnet18": (False, (2, 2, 2, 2), 1, 64), "resnet34": (False, (3, 4, 6, 3), 1, 64), "resnet50": (True, (3, 4, 6, 3), 1, 64),
    "resnet101": (True, (3, 4, 23, 3), 1, 64), "resnet152": (True, (3, 8, 36, 3), 1, 64), "wide_resnet50_2": (True, (3, 4, 6, 3), 1, 128),
    "wide_resnet101_2": (True, (3, 4, 23, 3), 1, 128), "resnext50_32x4d": (True, (3, 4, 6, 3), 32, 4),
    "resnext101_32x8d": (True, (3, 4, 23, 3), 32, 8), "resnext101_64x4d": (True, (3, 4, 23, 3), 64, 4),
}


def conv(inputs, outputs, kernel, stride=1, groups=1):
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)


class Block(nn.Module):
    def __init__(self, bottleneck, inputs, planes, stride, groups, width):
        super().__init__()
        self.relu = nn.ReLU(inplace=True)
        outputs = planes * (4 if bottleneck else 1)
        inner = planes * width // 64 * groups if bottleneck else planes
        self.conv1 = conv(inputs, inner, 1) if bottleneck else conv(inputs, inner, 3, stride)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = conv(inner, inner, 3, stride, groups) if bottleneck else conv(inner, outputs, 3)
        self.bn2 = nn.BatchNorm2d(inner if bottleneck else outputs)
        if bottleneck:
            self.conv3 = conv(inner, outputs, 1)
            self.bn3 = nn.BatchNorm2d(outputs)
        self.bottleneck = bottleneck
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(conv(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        if self.bottleneck:
            y = self.bn3(self.conv3(self.relu(y)))
        return self.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    def __init__(self, name, classes):
        super().__init__()
        bottleneck, blocks, groups, width = NETWORKS[name]
        self.conv1, self.bn1, self.relu = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True)
        self.maxpool, channels = nn.MaxPool2d(3, 2, 1), 64
        for stage, count in enumerate(blocks):
            planes, layers = 64 << stage, []
            for block in range(count):
                layers.append(Block(bottleneck, channels, planes, 2 if stage and not block else 1, groups, width))
                channels = planes * (4 if bottleneck else 1)
            setattr(self, f"layer{stage + 1}", nn.Sequential(*layers))
        self.fc = nn.Linear(channels, classes)

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(x.mean((2, 3)))


def randomise(model, seed=7):
    """Weights with which activations neither vanish nor explode, and statistics that batch norm has to use."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if name.endswith("num_batches_tracked"):
                continue
            low, high = (0.5, 2) if name.endswith("running_var") else (0.5, 1.5) if tensor.dim() == 1 and name.endswith("weight") else (-0.5, 0.5)
            if tensor.dim() == 4:
                last = name.endswith("conv3.weight") or (name.endswith("conv2.weight") and not any(k.endswith("conv3.weight") for k in model.state_dict()))
                high = (6 / tensor[0].numel()) ** 0.5 * (0.5 if last else 1)
                low = -high
            if name.startswith("fc."):
                high = model.fc.in_features ** -0.5
                low = -high
            tensor.copy_(low + (high - low) * torch.rand(tensor.shape, generator=generator))
    return model


def ranges(model, x):
    """{convolution: (lowest, highest)} of what it leaves behind, with batch norm, residual and ReLU; and of the image."""
    found = {}

    def keep(name, y):
        found[name] = (y.min().item(), y.max().item())
        return y

    x = model.maxpool(keep("conv1", torch.relu(model.bn1(model.conv1(keep("image", x))))))
    for stage in range(1, 5):
        for i, block in enumerate(getattr(model, f"layer{stage}")):
            at = f"layer{stage}.{i}."
            y = block.bn2(block.conv2(keep(at + "conv1", torch.relu(block.bn1(block.conv1(x))))))
            if block.bottleneck:
                y = block.bn3(block.conv3(keep(at + "conv2", torch.relu(y))))
            if block.downsample is not None:
                x = keep(at + "downsample.0", block.downsample(x))
            x = keep(at + ("conv3" if block.bottleneck else "conv2"), torch.relu(y + x))
    return found
