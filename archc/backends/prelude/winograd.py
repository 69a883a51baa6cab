from typing import Any

import torch
import torch.nn.functional as F


class Winograd:
    """A 3×3 convolution of stride 1 by 36 products of matrices for 4×4 outputs instead of 144: for one shape of input.

    F(4×4, 3×3) of Lavin and Gray (2015, arXiv:1509.09308), interpolating at 0, ±√2, ±1/√2 and infinity, where float32
    errs about as much as it does in a direct convolution. grouped: the products as a convolution of 36 groups of
    oneDNN's; otherwise as a batch of matrix products.
    """

    def __init__(
        self,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        padding: list[int],
        shape: torch.Size,
        grouped: bool,
    ) -> None:
        self.channels, channels = weight.shape[:2]
        points = torch.tensor([0.0, 2**0.5, -(2**0.5), 0.5**0.5, -(0.5**0.5)], dtype=torch.float64)
        last = torch.zeros(1, 6, dtype=torch.float64)
        last[0, 5] = 1  # at infinity a polynomial of degree 5 is its last coefficient
        values = torch.cat([torch.stack([points**i for i in range(6)], 1), last])
        before = torch.linalg.inv(values).T.contiguous()
        kernel, after = (torch.cat([values[:5, :k], last[:, 6 - k :]]) for k in (3, 4))
        spread = torch.einsum("ia,ocab,jb->ijco", kernel, weight.detach().double(), kernel)
        self.kernel = spread.reshape(36, channels, self.channels).float()
        self.before = torch.kron(before, before).float()
        self.after = torch.kron(after.T.contiguous(), after.T.contiguous()).float()
        self.bias = None if bias is None else bias.detach()
        self.padding = padding
        rows, columns = (-(-(shape[i] + 2 * padding[i - 2] - 2) // 4) for i in (2, 3))
        # as many images at once as make about 128 tiles, which stay in the cache from step to step
        parts = -(-shape[0] // max(1, 128 // (rows * columns)))
        self.images = -(-shape[0] // parts)
        self.geometry: tuple[list[int], list[int], list[int], int] = ([0, 0], [1, 1], [1, 1], 36)
        self.packed: Any = None
        if grouped:
            kernel = self.kernel.transpose(1, 2).reshape(36 * self.channels, channels, 1, 1)
            tiles = self.images * rows * columns
            self.packed = torch.ops.mkldnn._reorder_convolution_weight(
                kernel.contiguous(memory_format=torch.channels_last),
                *self.geometry,
                [1, 36 * channels, tiles, 1],
            )
            del self.kernel

    def __call__(self, input: torch.Tensor) -> torch.Tensor:
        n, channels, height, width = input.shape
        top, left = self.padding
        height, width = height + 2 * top - 2, width + 2 * left - 2
        rows, columns = -(-height // 4), -(-width // 4)
        margins = (
            0,
            0,
            left,
            4 * columns + 2 - input.shape[3] - left,
            top,
            4 * rows + 2 - input.shape[2] - top,
        )
        padded = F.pad(input.permute(0, 2, 3, 1), margins)
        image, row, column, _ = padded.stride()
        out = padded.new_empty(n, rows, 4, columns, 4, self.channels)
        for start in range(0, n, self.images):
            images = min(self.images, n - start)
            tiles = padded.as_strided(
                (images, rows, columns, 6, 6, channels),
                (image, 4 * row, 4 * column, row, column, 1),
                start * image,
            ).reshape(-1, 36, channels)
            tiles = torch.bmm(self.before.expand(len(tiles), 36, 36), tiles)
            if self.packed is None:
                products = torch.bmm(tiles.transpose(0, 1), self.kernel).transpose(0, 1)
            else:
                products = self._grouped(tiles)
            tiles = torch.bmm(self.after.expand(len(tiles), 16, 36), products)
            blocks = tiles.view(images, rows, columns, 4, 4, -1).transpose(2, 3)
            part = out[start : start + images]
            if self.bias is None:
                part.copy_(blocks)
            else:
                torch.add(blocks, self.bias, out=part)
        return out.view(n, 4 * rows, 4 * columns, -1)[:, :height, :width].permute(0, 3, 1, 2)

    def _grouped(self, tiles: torch.Tensor) -> torch.Tensor:
        """36 products a tile by one call of oneDNN's."""
        laid = tiles.view(1, len(tiles), 1, -1).permute(0, 3, 1, 2)
        found: torch.Tensor = torch.ops.mkldnn._convolution_pointwise.default(
            laid, self.packed, None, *self.geometry, "none", [], ""
        )
        return found.permute(0, 2, 3, 1).reshape(len(tiles), 36, -1)
