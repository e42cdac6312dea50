# SPDX-License-Identifier: Apache-2.0
"""Keccak-256 as Ethereum has it: SHA-3 before its padding was changed."""

from functools import lru_cache

RATE = 136
MASK = (1 << 64) - 1
ROUNDS = 24


def _round_constants():
    """FIPS 202, 3.2.5: bits of a linear feedback shift register at places 2^j - 1."""
    constants, state = [], 1
    for _ in range(ROUNDS):
        constant = 0
        for j in range(7):
            if state & 1:
                constant ^= 1 << ((1 << j) - 1)
            state = state << 1 ^ (0x171 if state & 0x80 else 0)
        constants.append(constant)
    return constants


def _offsets():
    """FIPS 202, 3.2.2, with the place that 3.2.3 moves each lane to: (from, to, distance)."""
    moves, x, y = [(0, 0, 0)], 1, 0
    for t in range(ROUNDS):
        moves.append((x + 5 * y, y + 5 * ((2 * x + 3 * y) % 5), (t + 1) * (t + 2) // 2 % 64))
        x, y = y, (2 * x + 3 * y) % 5
    return moves


CONSTANTS, MOVES = _round_constants(), _offsets()


def _permute(lanes):
    for constant in CONSTANTS:
        columns = [lanes[x] ^ lanes[x + 5] ^ lanes[x + 10] ^ lanes[x + 15] ^ lanes[x + 20]
                   for x in range(5)]
        parity = [columns[x - 1] ^ ((columns[(x + 1) % 5] << 1 | columns[(x + 1) % 5] >> 63) & MASK)
                  for x in range(5)]
        moved = [0] * 25
        for source, target, distance in MOVES:
            lane = lanes[source] ^ parity[source % 5]
            moved[target] = (lane << distance | lane >> (64 - distance)) & MASK
        lanes = [moved[i] ^ (~moved[i - i % 5 + (i + 1) % 5] & moved[i - i % 5 + (i + 2) % 5])
                 for i in range(25)]
        lanes[0] ^= constant
    return lanes


@lru_cache(4096)
def keccak256(data):
    padded = bytearray(data) + b"\x01" + bytes(-(len(data) + 1) % RATE)
    padded[-1] |= 0x80
    lanes = [0] * 25
    for start in range(0, len(padded), RATE):
        for i in range(RATE // 8):
            lanes[i] ^= int.from_bytes(padded[start + 8 * i:start + 8 * i + 8], "little")
        lanes = _permute(lanes)
    return b"".join(lane.to_bytes(8, "little") for lane in lanes[:4])
