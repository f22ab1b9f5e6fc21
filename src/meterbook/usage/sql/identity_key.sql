bitOr(bitAnd(bitShiftLeft(head, 24), 0xFFFFFFFF00000000), bitAnd(tail, 0x00000000FFFFFFFF))
