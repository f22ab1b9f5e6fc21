concat(toString(account_id), '\0', source, '\0') as owner,
xxh3_128(concat(owner, id)) as whole,
bitOr(
    bitAnd(xxh3(owner), 0xFFFFFF0000000000),
    bitAnd(toUInt64(bitShiftRight(whole, 64)), 0x000000FFFFFFFFFF)
) as head,
toUInt64(bitAnd(whole, 0xFFFFFFFFFFFFFFFF)) as tail
