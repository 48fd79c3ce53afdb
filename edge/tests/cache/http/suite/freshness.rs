//! Lifetimes, ages, dates, heuristics, client directives and staleness.

/// Rows of cc-freshness, cc-parse, age-parse, expires, expires-parse, heuristic, cc-request,
/// pragma and stale.
pub(super) const ROWS: &str = r#"
Y freshness-none :: ~ | => new
O freshness-max-age :: Cache-Control: max-age=3600 ~ | => cached
R freshness-max-age-stale :: Cache-Control: max-age=2 ; Date: @0 ~ | => new
R freshness-max-age-0 :: Cache-Control: max-age=0 ~ | => new
O freshness-max-age-max-minus-1 :: Cache-Control: max-age=2147483647 ~ | => cached
O freshness-max-age-max :: Cache-Control: max-age=2147483648 ~ | => cached
O freshness-max-age-max-plus-1 :: Cache-Control: max-age=2147483649 ~ | => cached
O freshness-max-age-max-plus :: Cache-Control: max-age=99999999999 ~ | => cached
R freshness-max-age-age :: Date: @0 ; Cache-Control: max-age=3600 ; Age: 7200 ~ | => new
Y freshness-max-age-date :: Date: @-7200 ; Cache-Control: max-age=3600 ~ | => new
O freshness-max-age-expires :: Cache-Control: max-age=3600 ; Expires: @-7200 ; Date: @0 ~ | => cached
O freshness-max-age-expires-invalid :: Cache-Control: max-age=3600 ; Expires: 0 ; Date: @0 ~ | => cached
R freshness-max-age-0-expires :: Expires: @3600 ; Cache-Control: max-age=0 ; Date: @0 ~ | => new
O freshness-max-age-extension :: Cache-Control: foobar, max-age=3600 ~ | => cached
O freshness-max-age-case-insenstive :: Cache-Control: MaX-aGe=3600 ~ | => cached
R freshness-max-age-negative :: Cache-Control: max-age=-3600 ~ | => new
O freshness-s-maxage-shared :: Cache-Control: s-maxage=3600 ~ | => cached
R freshness-max-age-s-maxage-shared-longer :: Cache-Control: max-age=3600, s-maxage=1 ~ | => new
R freshness-max-age-s-maxage-shared-longer-reversed :: Cache-Control: s-maxage=1, max-age=3600 ~ | => new
R freshness-max-age-s-maxage-shared-longer-multiple :: Cache-Control: max-age=3600 ; Cache-Control: s-maxage=1 ~ | => new
O freshness-max-age-s-maxage-shared-shorter :: Cache-Control: max-age=1, s-maxage=3600 ~ | => cached
O freshness-max-age-s-maxage-shared-shorter-expires :: Expires: @-10 ; Cache-Control: max-age=0, s-maxage=3600 ~ | => cached

Y freshness-max-age-two-fresh-stale-sameline :: Cache-Control: max-age=1800, max-age=1 ~ | => cached
Y freshness-max-age-two-fresh-stale-sepline :: Cache-Control: max-age=1800 ; Cache-Control: max-age=1 ~ | => cached
N freshness-max-age-two-stale-fresh-sameline :: Cache-Control: max-age=1, max-age=1800 ~ | => cached
N freshness-max-age-two-stale-fresh-sepline :: Cache-Control: max-age=1 ; Cache-Control: max-age=1800 ~ | => cached
Y freshness-max-age-quoted :: Cache-Control: max-age="3600" ~ | => cached
R freshness-max-age-ignore-quoted :: Cache-Control: extension="max-age=3600", max-age=1 ~ | => new
R freshness-max-age-ignore-quoted-rev :: Cache-Control: max-age=1, extension="max-age=3600" ~ | => new
Y freshness-max-age-space-before-equals :: Cache-Control: max-age =3600 ~ | => new
Y freshness-max-age-space-after-equals :: Cache-Control: max-age= 3600 ~ | => new
R freshness-max-age-leading-zero :: Cache-Control: max-age=003600 ~ | => cached
R freshness-max-age-single-quoted :: Cache-Control: max-age='3600' ~ | => new
N freshness-max-age-decimal-zero :: Cache-Control: max-age=3600.0 ~ | => cached
N freshness-max-age-decimal-five :: Cache-Control: max-age=3600.5 ~ | => cached
N freshness-max-age-a100 :: Cache-Control: max-age=a3600 ~ | => cached
N freshness-max-age-100a :: Cache-Control: max-age=3600a ~ | => cached

R age-parse-nonnumeric :: Date: @0 ; Cache-Control: max-age=3600 ; Age: abc ~ | => cached
R age-parse-negative :: Date: @0 ; Cache-Control: max-age=3600 ; Age: -7200 ~ | => cached
R age-parse-float :: Date: @0 ; Cache-Control: max-age=3600 ; Age: 7200.0 ~ | => cached
R age-parse-large-minus-one :: Date: @0 ; Cache-Control: max-age=3600 ; Age: 2147483647 ~ | => new
R age-parse-large :: Date: @0 ; Cache-Control: max-age=3600 ; Age: 2147483648 ~ | => new
R age-parse-larger :: Date: @0 ; Cache-Control: max-age=3600 ; Age: 2147483649 ~ | => new
R age-parse-suffix :: Date: @0 ; Cache-Control: max-age=3600 ; Age: 7200, 0 ~ | => new
R age-parse-prefix :: Date: @0 ; Cache-Control: max-age=3600 ; Age: 0, 7200 ~ | => cached
R age-parse-suffix-twoline :: Date: @0 ; Cache-Control: max-age=3600 ; Age: 7200 ; Age: 0 ~ | => new
R age-parse-prefix-twoline :: Date: @0 ; Cache-Control: max-age=3600 ; Age: 0 ; Age: 7200 ~ | => cached
R age-parse-dup-0 :: Date: @0 ; Cache-Control: max-age=3600 ; Age: 0, 0 ~ | => cached
R age-parse-dup-0-twoline :: Date: @0 ; Cache-Control: max-age=3600 ; Age: 0 ; Age: 0 ~ | => cached
R age-parse-dup-old :: Date: @0 ; Cache-Control: max-age=10000 ; Age: 3600 ; Age: 3600 ~ | => cached
N age-parse-parameter :: Date: @0 ; Cache-Control: max-age=3600 ; Age: 7200;foo=bar ~ | => new
N age-parse-numeric-parameter :: Date: @0 ; Cache-Control: max-age=3600 ; Age: 7200;foo=111 ~ | => new

O freshness-expires-future :: Expires: @2592000 ; Date: @0 ~ | => cached
R freshness-expires-past :: Expires: @-2592000 ; Date: @0 ~ | => new
R freshness-expires-present :: Expires: @0 ; Date: @0 | => new
R freshness-expires-old-date :: Expires: @300 ; Date: @400 ~ | => new
R freshness-expires-invalid :: Expires: 0 ; Date: @0 ~ | => new
O freshness-expires-invalid-date :: Date: foo ; Expires: @10 | => cached
R freshness-expires-age-slow-date :: Date: @-10 ; Expires: @10 ; Age: 25 | => new
R freshness-expires-age-fast-date :: Date: @10 ; Expires: @20 ; Age: 15 | => new

O freshness-expires-32bit :: Expires: Tue, 19 Jan 2038 14:14:08 GMT ; Date: @0 ~ | => cached
O freshness-expires-far-future :: Expires: Sun, 21 Nov 2286 04:46:39 GMT ; Date: @0 ~ | => cached
O freshness-expires-rfc850 :: Expires: Thursday, 18-Aug-50 02:01:18 GMT ; Date: @0 ~ | => cached
O freshness-expires-ansi-c :: Expires: Thu Aug  8 02:01:18 2050 ; Date: @0 ~ | => cached
O freshness-expires-wrong-case-weekday :: Expires: THU, 18 Aug 2050 02:01:18 GMT ; Date: @0 ~ | => cached
O freshness-expires-wrong-case-month :: Expires: Thu, 18 AUG 2050 02:01:18 GMT ; Date: @0 ~ | => cached
O freshness-expires-wrong-case-tz :: Expires: Thu, 18 Aug 2050 02:01:18 gMT ; Date: @0 ~ | => cached
R freshness-expires-invalid-utc :: Expires: Thu, 18 Aug 2050 02:01:18 UTC ; Date: @0 ~ | => new
R freshness-expires-invalid-aest :: Expires: Thu, 18 Aug 2050 02:01:18 AEST ; Date: @0 ~ | => new
R freshness-expires-invalid-2-digit-year :: Expires: Thu, 18 Aug 50 02:01:18 GMT ; Date: @0 ~ | => new
R freshness-expires-invalid-no-comma :: Expires: Thu 18 Aug 2050 02:01:18 GMT ; Date: @0 ~ | => new
R freshness-expires-invalid-multiple-spaces :: Expires: Thu, 18  Aug  2050 02:01:18 GMT ; Date: @0 | => new
R freshness-expires-invalid-date-dashes :: Expires: Thu, 18-Aug-2050 02:01:18 GMT ; Date: @0 | => new
R freshness-expires-invalid-time-periods :: Expires: Thu, 18 Aug 2050 02.01.18 GMT ; Date: @0 | => new
R freshness-expires-invalid-1-digit-hour :: Expires: Thu, 18 Aug 2050 2:01:18 GMT ; Date: @0 | => new
R freshness-expires-invalid-multiple-lines :: Expires: Thu, 18 Aug 2050 2:01:18 GMT ; Expires: Thu, 18 Aug 2050 2:01:19 GMT ; Date: @0 | => new

O heuristic-200-cached :: Last-Modified: @-86400 ; Date: @0 | => cached
R heuristic-201-not_cached :: [201] Last-Modified: @-86400 ; Date: @0 | [201] => new
R heuristic-202-not_cached :: [202] Last-Modified: @-86400 ; Date: @0 | [202] => new
O heuristic-203-cached :: [203] Last-Modified: @-86400 ; Date: @0 | [203] => cached
O heuristic-204-cached :: [204] Last-Modified: @-86400 ; Date: @0 | [204] => cached
R heuristic-403-not_cached :: [403] Last-Modified: @-86400 ; Date: @0 | [403] => new
O heuristic-404-cached :: [404] Last-Modified: @-86400 ; Date: @0 | [404] => cached
O heuristic-405-cached :: [405] Last-Modified: @-86400 ; Date: @0 | [405] => cached
O heuristic-410-cached :: [410] Last-Modified: @-86400 ; Date: @0 | [410] => cached
O heuristic-414-cached :: [414] Last-Modified: @-86400 ; Date: @0 | [414] => cached
O heuristic-501-cached :: [501] Last-Modified: @-86400 ; Date: @0 | [501] => cached
R heuristic-502-not_cached :: [502] Last-Modified: @-86400 ; Date: @0 | [502] => new
R heuristic-503-not_cached :: [503] Last-Modified: @-86400 ; Date: @0 | [503] => new
R heuristic-504-not_cached :: [504] Last-Modified: @-86400 ; Date: @0 | [504] => new
R heuristic-599-not_cached :: [599] Last-Modified: @-86400 ; Date: @0 | [599] => new
O heuristic-599-cached :: [599] Last-Modified: @-86400 ; Date: @0 ; Cache-Control: public | [599] => cached
N heuristic-delta-5 :: Last-Modified: @-5 ; Date: @0 ~ | => cached
N heuristic-delta-10 :: Last-Modified: @-10 ; Date: @0 ~ | => cached
N heuristic-delta-30 :: Last-Modified: @-30 ; Date: @0 ~ | => cached
Y heuristic-delta-60 :: Last-Modified: @-60 ; Date: @0 ~ | => cached
Y heuristic-delta-300 :: Last-Modified: @-300 ; Date: @0 ~ | => cached
Y heuristic-delta-600 :: Last-Modified: @-600 ; Date: @0 ~ | => cached
Y heuristic-delta-1200 :: Last-Modified: @-1200 ; Date: @0 ~ | => cached
Y heuristic-delta-1800 :: Last-Modified: @-1800 ; Date: @0 ~ | => cached
Y heuristic-delta-3600 :: Last-Modified: @-3600 ; Date: @0 ~ | => cached
Y heuristic-delta-43200 :: Last-Modified: @-43200 ; Date: @0 ~ | => cached
Y heuristic-delta-86400 :: Last-Modified: @-86400 ; Date: @0 ~ | => cached

Y ccreq-ma0 :: Cache-Control: max-age=100000 ; Date: @0 ~ | <Cache-Control: max-age=0> => new
Y ccreq-ma1 :: Cache-Control: max-age=100000 ; Date: @0 ~ | <Cache-Control: max-age=1> => new
Y ccreq-magreaterage :: Cache-Control: max-age=100000 ; Date: @0 ; Age: 1800 ~ | <Cache-Control: max-age=600> => new
Y ccreq-max-stale :: Cache-Control: max-age=2 ; Date: @0 ~ | <Cache-Control: max-stale=1000> => cached
N ccreq-max-stale-age :: Cache-Control: max-age=1500 ; Age: 2000 | <Cache-Control: max-stale=1000> => cached
Y ccreq-min-fresh :: Cache-Control: max-age=1500 | <Cache-Control: min-fresh=2000> => new
Y ccreq-min-fresh-age :: Cache-Control: max-age=1500 ; Age: 1000 | <Cache-Control: min-fresh=1000> => new
Y ccreq-no-cache :: Cache-Control: max-age=3600 | <Cache-Control: no-cache> => new
Y ccreq-no-cache-lm :: Cache-Control: max-age=3600 ; Last-Modified: @-10000 ; Date: @0 | <Cache-Control: no-cache> => lm
Y ccreq-no-cache-etag :: Cache-Control: max-age=3600 ; ETag: "a" | <Cache-Control: no-cache> => etag
N ccreq-no-store :: Cache-Control: max-age=100000 ; Date: @0 ~ | <Cache-Control: no-store> => new
Y ccreq-oic :: <Cache-Control: only-if-cached> => 504

Y pragma-request-no-cache :: Cache-Control: max-age=100000 ; Date: @0 ~ | <Pragma: no-cache> => cached
Y pragma-request-extension :: Cache-Control: max-age=100000 ; Date: @0 ~ | <Pragma: unrecognised-extension> => cached
Y pragma-response-no-cache :: Cache-Control: max-age=3600 ; Pragma: no-cache | => cached
Y pragma-response-no-cache-heuristic :: Date: @0 ; Last-Modified: @-10000 ; Pragma: no-cache | => cached
Y pragma-response-extension :: Cache-Control: max-age=3600 ; Pragma: unrecognised-extension | => cached

Y stale-close :: Cache-Control: max-age=2 ; Date: @0 ~ | ! => cached
Y stale-503 :: Cache-Control: max-age=2 ; Date: @0 ~ | [503] => cached, 200
O stale-while-revalidate :: Cache-Control: max-age=1, stale-while-revalidate=3600 ; ETag: "abc" ~ | => cached
R stale-while-revalidate-window :: Cache-Control: max-age=1, stale-while-revalidate=4 ; ETag: "abc" ~ | Cache-Control: no-cache ; ETag: "def" ~ => cached | => new
Y stale-sie-close :: Cache-Control: max-age=2, stale-if-error=60 ~ | ! => cached
Y stale-sie-503 :: Cache-Control: max-age=2, stale-if-error=60 ~ | [503] => cached, 200
R stale-close-must-revalidate :: Cache-Control: max-age=2, must-revalidate ~ | ! => none
R stale-close-proxy-revalidate :: Cache-Control: max-age=2, proxy-revalidate ~ | ! => none
R stale-close-no-cache :: Cache-Control: max-age=2, no-cache ~ | ! => none
R stale-close-s-maxage=2 :: Cache-Control: max-age=2, s-maxage=2 ~ | ! => none
N stale-warning-stored :: Expires: @-5000 ; Last-Modified: @-100000 ; Date: @0 ~ | ! => cached, has warning
N stale-warning-become :: Cache-Control: max-age=2 ; Date: @0 ~ | ! => cached, has warning
"#;
