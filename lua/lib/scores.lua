-- uses: base
-- Scores in wait:QUEUE and scheduled. A part of its own, because an enqueue needs it and not the rest of record.lua.

-- HOLD is when a task on hold is due: in 2286, later than any time that an enqueue accepts. An operator starts it before.
Scores.HOLD = 9999999999999

-- STEP is the distance of two priorities: strict priority, first in first out within a priority. Positions are exact below
-- 2^53. A queue with aging has others: see aging.lua.
Scores.STEP = 35184372088832 -- 2^45
