"""What both ends of an envelope know beforehand: the preset dictionary of its zlib stream (RFC 1950, 2.2).

A sale alone is half as long with it, for most of it are words that nothing has said before. The same
bytes lie beside this file as `dictionary-1.txt`, for a receiver that is not ours. They never change: an
envelope names its dictionary by the Adler-32 of it (FDICT, DICTID), and another dictionary would be
another file. What occurs most stands at the end, where it is cheapest to point to.
"""

from typing import Final

_HEADER = (
    b'{"v":1,"station":"cn-0001","epoch":1,"stream":"urgent","first_seq":1,"count":1,"head_before":"\n'
    b'{"v":1,"station":"cn-0001","epoch":1,"stream":"service","first_seq":1,"count":2,"head_before":"\n'
    b'{"v":1,"station":"cn-0001","epoch":1,"stream":"ledger","first_seq":1,"count":2,"head_before":"'
)

_SELDOM = (
    b'{"kind":"correction","id":"","of":1,"volume_ml":0,"amount_fen":0,"unit_price_milli":0,"evidence":"none",'
    b'"time_quality":"estimated","at_ms":17}\n'
    b'{"kind":"gap","id":"","device":"","nozzle":"","point":"","product":"","volume_ml":0,"totalizer_ml":0,'
    b'"event_ms":17,"clock":"UNTRUSTED"}\n'
    b'{"kind":"draw","of":1,"purpose":"test","till":"till-1","pos_sale_id":"","at_ms":17}\n'
    b'{"kind":"lot.activated","of":1,"minor":0,"repaid_minor":0,"at_ms":17}\n'
    b'{"kind":"lot.expired","of":1,"minor":0,"on":"2026-12-31","at_ms":17}\n'
    b'{"kind":"daily.close","date":"2026-01-01","first_seq":1,"last_seq":1,"head":"","opening_minor":0,'
    b'"issued_minor":0,"redeemed_minor":0,"expired_minor":0,"compensated_minor":0,"goodwill_minor":0,'
    b'"pending_minor":0,"active_minor":0,"held_minor":0,"debt_minor":0,"frozen_minor":0,"outstanding":[[1,0]],'
    b'"at_ms":17}\n'
    b'{"kind":"reminder.shown","member":"","lapses_on":"2026-12-31","stage_days":7,"minor":0,"at_ms":17}\n'
    b'{"kind":"coupon.used","of":1,"serial":"","at_ms":17}\n'
    b'{"kind":"coupon.issued","of":1,"serial":"","coupon":"","valid_until":"2026-12-31","at_ms":17}\n'
    b'{"kind":"rules.state","bundle":"","version":1,"state":"ACTIVE","reason":"","at_ms":17}\n'
    b'{"kind":"adopted","what":"members","name":"","version":1,"sha256":"","at_ms":17}\n'
    b'{"kind":"refund","of":1,"award":1,"till":"till-1","refund_id":"","pos_sale_id":"","amount_fen":0,'
    b'"refunded_fen":0,"total_fen":0,"minor":0,"at_ms":17}\n'
    b'{"kind":"claim","of":1,"credential":"k1:","bundle":"","version":1,"inputs":{"lines":[{"product":"shop",'
    b'"volume_ml":0,"amount_fen":0}],"tender":"cash","tier":"","evidence":"metered","time_quality":"seen",'
    b'"local":{"business_date":"2026-01-01","weekday":1,"minute_of_day":0}}}\n'
    b'{"kind":"basket","id":"","till":"till-1","pos_sale_id":"","tender":"card","lines":[["shop",1000,0]],'
    b'"event_ms":17,"credential":"k1:"}\n'
)

_FACT = (
    b'"device_epoch":1,"missed_ml":0,"booked_late_ms":1000,"clock":"HOLDOVER","flags":"ARITHMETIC","credential":"k1:"}\n'
    b'{"kind":"fuelling","id":"","evidence":"recorded","time_quality":"device","event_ms":17,"amount_fen":0,'
    b'"volume_ml":0,"unit_price_milli":7,"product":"petrol-98","nozzle":"1","point":"1","device":"","sequence_no":1}\n'
    b'{"kind":"fuelling","id":"","evidence":"metered","time_quality":"seen","event_ms":17,"amount_fen":0,'
    b'"totalizer_ml":1,"volume_ml":0,"unit_price_milli":7,"product":"petrol-95","nozzle":"1","point":"1",'
    b'"device":"","sequence_no":1}\n'
)

_AWARD = (
    b'"lines":[{"product":"","volume_ml":0,"amount_fen":0},{"product":"shop","amount_fen":0}],"cohort":"",'
    b'"birthday":[1,1],"coupons":["reason":"repaid_minor":0,"late_s":0}\n'
    b'{"kind":"award","bundle":"2026-01","version":1,"member":"","of":1,"inputs":{"evidence":"metered",'
    b'"time_quality":"seen","business_date":"2026-01-01","utc_offset_minutes":480,"tender":"wechat",'
    b'"tier":"basic","usage":[0,0,1,1]},"minor":0,"explanation":["fuel-litre","'
)

DICTIONARY: Final = _SELDOM + _FACT + _AWARD + _HEADER
