select
    reinterpretAsUInt64(substring(identity, 9, 8)) as key
from events
