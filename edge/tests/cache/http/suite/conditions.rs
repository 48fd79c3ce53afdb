//! Conditions, ranges and updates.

/// Rows of conditional-inm, conditional-lm, partial, update304 and updateHEAD.
pub(super) const ROWS: &str = r#"
O conditional-etag-strong-respond :: Cache-Control: max-age=100000 ; Date: @0 ; ETag: "abcdef" ~ | <If-None-Match: "abcdef"> => cached, 304
R conditional-304-etag :: Cache-Control: max-age=100000 ; Date: @0 ; ETag: "abcdef" ~ | <If-None-Match: "abcdef"> => cached, 304, has ETag="abcdef"
R conditional-etag-precedence :: Cache-Control: max-age=100000 ; Date: @0 ; Last-Modified: @-5000 ; ETag: "abcdef" ~ | <If-None-Match: "abcdef" ; If-Modified-Since: @-10000> => cached, 304
Y conditional-etag-strong-respond-obs-text :: Cache-Control: max-age=100000 ; Date: @0 ; ETag: "abcdefü" ~ | <If-None-Match: "abcdefü"> => cached, 304, has ETag="abcdefü"
N conditional-etag-quoted-respond-unquoted :: Cache-Control: max-age=100000 ; Date: @0 ; ETag: "abcdef" ~ | <If-None-Match: abcdef> => cached, 304
Y conditional-etag-unquoted-respond-unquoted :: Cache-Control: max-age=100000 ; Date: @0 ; ETag: abcdef ~ | <If-None-Match: abcdef> => cached, 304
N conditional-etag-unquoted-respond-quoted :: Cache-Control: max-age=100000 ; Date: @0 ; ETag: abcdef ~ | <If-None-Match: "abcdef"> => cached, 304
O conditional-etag-weak-respond :: Cache-Control: max-age=100000 ; Date: @0 ; ETag: W/"abcdef" ~ | <If-None-Match: W/"abcdef"> => cached, 304
Y conditional-etag-weak-respond-lowercase :: Cache-Control: max-age=100000 ; Date: @0 ; ETag: w/"abcdef" ~ | <If-None-Match: w/"abcdef"> => cached, 304
Y conditional-etag-weak-respond-backslash :: Cache-Control: max-age=100000 ; Date: @0 ; ETag: W\"abcdef" ~ | <If-None-Match: W\"abcdef"> => cached, 304
Y conditional-etag-weak-respond-omit-slash :: Cache-Control: max-age=100000 ; Date: @0 ; ETag: W"abcdef" ~ | <If-None-Match: W"abcdef"> => cached, 304
O conditional-etag-strong-respond-multiple-first :: Cache-Control: max-age=100000 ; Date: @0 ; ETag: "abcdef" ~ | <If-None-Match: "abcdef", "1234", "5678"> => cached, 304
O conditional-etag-strong-respond-multiple-second :: Cache-Control: max-age=100000 ; Date: @0 ; ETag: "abcdef" ~ | <If-None-Match: "1234", "abcdef", "5678"> => cached, 304
O conditional-etag-strong-respond-multiple-last :: Cache-Control: max-age=100000 ; Date: @0 ; ETag: "abcdef" ~ | <If-None-Match: "1234", "5678", "abcdef"> => cached, 304
R conditional-etag-vary-headers :: <Abc: 123> Expires: @1 ; ETag: "abcdef" ; Date: @0 ; Vary: Abc ~ | <Abc: 123> => etag, seen Abc=123
N conditional-etag-vary-headers-mismatch :: <Abc: 123> Expires: @10000 ; ETag: "abcdef" ; Date: @0 ; Vary: Abc ~ | <Abc: 456> => seen If-None-Match="abcdef"
O conditional-etag-strong-generate :: Cache-Control: max-age=2 ; Date: @0 ; ETag: "abcdef" ~ | => etag, seen If-None-Match="abcdef"
O conditional-etag-weak-generate-weak :: Cache-Control: max-age=2 ; Date: @0 ; ETag: W/"abcdef" ~ | => etag, seen If-None-Match=W/"abcdef"
N conditional-etag-strong-generate-unquoted :: Cache-Control: max-age=2 ; Date: @0 ; ETag: abcdef ~ | => etag, seen If-None-Match="abcdef"
N conditional-etag-forward :: <If-None-Match: "abcdef"> => seen If-None-Match="abcdef"
N conditional-etag-forward-unquoted :: <If-None-Match: abcdef> => seen If-None-Match="abcdef"

O conditional-lm-fresh :: Cache-Control: max-age=100000 ; Date: @0 ; Last-Modified: @-3000 ~ | <If-Modified-Since: @-3003> => cached, 304
O conditional-lm-fresh-earlier :: Cache-Control: max-age=100000 ; Date: @0 ; Last-Modified: @-3000 ~ | <If-Modified-Since: @-2003> => cached, 304
O conditional-lm-stale :: Cache-Control: max-age=2 ; Date: @0 ; Last-Modified: @-3000 ~ | <If-Modified-Since: @-3003> => lm, 304
o conditional-lm-fresh-no-lm :: Cache-Control: max-age=100000 ; Date: @0 ~ | <If-Modified-Since: @-3003> => cached, 304
O conditional-lm-fresh-rfc850 :: Cache-Control: max-age=100000 ; Date: @0 ; Last-Modified: Thu, 04 Sep 2025 08:49:37 GMT ~ | <If-Modified-Since: Thursday, 04-Sep-25 08:49:37 GMT> => cached, 304

o partial-store-partial-reuse-partial :: <Range: bytes=-5> [206] body=01234 Cache-Control: max-age=3600 ; Content-Range: bytes 4-9/10 | <Range: bytes=-5> => cached, 206, body=01234
O partial-store-complete-reuse-partial :: body=01234567890 Cache-Control: max-age=3600 | <Range: bytes=0-1> => cached, 206, body=01
O partial-store-complete-reuse-partial-no-last :: body=01234567890 Cache-Control: max-age=3600 | <Range: bytes=1-> => cached, 206, body=1234567890
O partial-store-complete-reuse-partial-suffix :: body=0123456789A Cache-Control: max-age=3600 | <Range: bytes=-1> => cached, 206, body=A
o partial-store-partial-reuse-partial-byterange :: <Range: bytes=-5> [206] body=01234 Cache-Control: max-age=3600 ; Content-Range: bytes 4-9/10 | <Range: bytes=6-8> => cached, 206, body=234
o partial-store-partial-reuse-partial-absent :: <Range: bytes=-5> [206] body=01234 Cache-Control: max-age=3600 ; Content-Range: bytes 4-9/10 | <Range: bytes=6-> => cached, 206, body=234
o partial-store-partial-reuse-partial-suffix :: <Range: bytes=-5> [206] body=01234 Cache-Control: max-age=3600 ; Content-Range: bytes 4-9/10 | <Range: bytes=-1> => cached, 206, body=4
o partial-store-partial-complete :: <Range: bytes=-5> [206] body=01234 Cache-Control: max-age=3600 ; Content-Range: bytes 0-4/10 | => seen Range=bytes=5-
R partial-use-headers :: body=01234567890 Cache-Control: max-age=3600 ; A: 1 | <Range: bytes=0-1> A: 2 => cached, 206, body=01
R partial-use-stored-headers :: body=01234567890 Cache-Control: max-age=3600 ; A: 1 | <Range: bytes=0-1> => cached, 206, body=01, has A=1

R 304-lm-use-stored-Test-Header :: Cache-Control: max-age=2 ; Last-Modified: Wed, 01 Jan 2020 00:00:00 GMT ; Date: @0 ; Test-Header: a ~ | Last-Modified: Wed, 01 Jan 2020 00:00:00 GMT ; Date: @0 => lm, 200, has Test-Header=a
R 304-etag-update-response-Test-Header :: Date: @0 ; Test-Header: a ; Cache-Control: max-age=2 ; ETag: "e" ~ | Date: @0 ; Test-Header: b ; Cache-Control: max-age=2 ; ETag: "e" => etag, 200, has Test-Header=b | => cached, has Test-Header=b
R 304-etag-update-response-X-Test-Header :: Date: @0 ; X-Test-Header: a ; Cache-Control: max-age=2 ; ETag: "e" ~ | Date: @0 ; X-Test-Header: b ; Cache-Control: max-age=2 ; ETag: "e" => etag, 200, has X-Test-Header=b | => cached, has X-Test-Header=b
R 304-etag-update-response-Content-Foo :: Date: @0 ; Content-Foo: a ; Cache-Control: max-age=2 ; ETag: "e" ~ | Date: @0 ; Content-Foo: b ; Cache-Control: max-age=2 ; ETag: "e" => etag, 200, has Content-Foo=b | => cached, has Content-Foo=b
R 304-etag-update-response-X-Content-Foo :: Date: @0 ; X-Content-Foo: a ; Cache-Control: max-age=2 ; ETag: "e" ~ | Date: @0 ; X-Content-Foo: b ; Cache-Control: max-age=2 ; ETag: "e" => etag, 200, has X-Content-Foo=b | => cached, has X-Content-Foo=b
R 304-etag-update-response-Cache-Control :: Date: @0 ; Cache-Control: max-age=1 ; ETag: "e" ~ | Date: @0 ; Cache-Control: max-age=3600 ; ETag: "e" => etag, 200, has Cache-Control=max-age=3600 | => cached, has Cache-Control=max-age=3600
R 304-etag-update-response-Content-Length :: body=0123456789 Date: @0 ; Content-Length: 10 ; Cache-Control: max-age=2 ; ETag: "e" ~ | Date: @0 ; Content-Length: 36 ; Cache-Control: max-age=2 ; ETag: "e" => etag, 200, has Content-Length=10 | => cached, has Content-Length=10
N 304-etag-update-response-Content-Encoding :: Date: @0 ; Content-Encoding: a ; Cache-Control: max-age=2 ; ETag: "e" ~ | Date: @0 ; Content-Encoding: b ; Cache-Control: max-age=2 ; ETag: "e" => etag, 200, has Content-Encoding=b
Y 304-etag-update-response-Content-Location :: Date: @0 ; Content-Location: /foo ; Cache-Control: max-age=2 ; ETag: "e" ~ | Date: @0 ; Content-Location: /bar ; Cache-Control: max-age=2 ; ETag: "e" => etag, 200, has Content-Location=/bar | => cached, has Content-Location=/bar
Y 304-etag-update-response-Content-MD5 :: Date: @0 ; Content-MD5: a ; Cache-Control: max-age=2 ; ETag: "e" ~ | Date: @0 ; Content-MD5: b ; Cache-Control: max-age=2 ; ETag: "e" => etag, 200, has Content-MD5=b | => cached, has Content-MD5=b
N 304-etag-update-response-Content-Range :: Date: @0 ; Content-Range: a ; Cache-Control: max-age=2 ; ETag: "e" ~ | Date: @0 ; Content-Range: b ; Cache-Control: max-age=2 ; ETag: "e" => etag, 200, has Content-Range=b
Y 304-etag-update-response-Content-Security-Policy :: Date: @0 ; Content-Security-Policy: a ; Cache-Control: max-age=2 ; ETag: "e" ~ | Date: @0 ; Content-Security-Policy: b ; Cache-Control: max-age=2 ; ETag: "e" => etag, 200, has Content-Security-Policy=b | => cached, has Content-Security-Policy=b
N 304-etag-update-response-Content-Type :: Date: @0 ; Content-Type: text/plain ; Cache-Control: max-age=2 ; ETag: "e" ~ | Date: @0 ; Content-Type: text/html ; Cache-Control: max-age=2 ; ETag: "e" => etag, 200, has Content-Type=text/html
Y 304-etag-update-response-Clear-Site-Data :: Date: @0 ; Clear-Site-Data: cache ; Cache-Control: max-age=2 ; ETag: "e" ~ | Date: @0 ; Clear-Site-Data: cookies ; Cache-Control: max-age=2 ; ETag: "e" => etag, 200, has Clear-Site-Data=cookies | => cached, has Clear-Site-Data=cookies
N 304-etag-update-response-ETag :: Date: @0 ; ETag: "abcdef" ; Cache-Control: max-age=2 ~ | Date: @0 ; ETag: "ghijkl" ; Cache-Control: max-age=2 => etag, 200, has ETag="ghijkl"
Y 304-etag-update-response-Expires :: Date: @0 ; Expires: Fri, 01 Jan 2038 01:01:01 GMT ; Cache-Control: max-age=2 ; ETag: "e" ~ | Date: @0 ; Expires: Mon, 11 Jan 2038 11:11:11 GMT ; Cache-Control: max-age=2 ; ETag: "e" => etag, 200, has Expires=Mon; 11 Jan 2038 11:11:11 GMT
Y 304-etag-update-response-Set-Cookie :: Date: @0 ; Set-Cookie: a=b ; Cache-Control: max-age=2 ; ETag: "e" ~ | Date: @0 ; Set-Cookie: a=c ; Cache-Control: max-age=2 ; ETag: "e" => etag, 200, has Set-Cookie=a=c | => cached, has Set-Cookie=a=c
Y 304-etag-update-response-X-Frame-Options :: Date: @0 ; X-Frame-Options: deny ; Cache-Control: max-age=2 ; ETag: "e" ~ | Date: @0 ; X-Frame-Options: sameorigin ; Cache-Control: max-age=2 ; ETag: "e" => etag, 200, has X-Frame-Options=sameorigin | => cached, has X-Frame-Options=sameorigin

Y head-writethrough :: Cache-Control: max-age=2 ; Date: @0 ; Template-A: 1 ~ | HEAD / => new
N head-200-retain :: Cache-Control: max-age=2 ; Date: @0 ; Template-A: 1 ~ | HEAD / => has Template-A=1
Y head-200-freshness-update :: Cache-Control: max-age=2 ; Date: @0 ; Template-A: 1 ~ | HEAD / Cache-Control: max-age=1000 | => cached
Y head-200-freshness-update (with a validator) :: Cache-Control: max-age=2 ; Date: @0 ; Last-Modified: @-3000 ; Template-A: 1 ~ | HEAD / Cache-Control: max-age=1000 ; Date: @0 | => cached
Y head-200-update :: Cache-Control: max-age=2 ; Date: @0 ; Template-A: 1 ~ | HEAD / Template-A: 2 ; Cache-Control: max-age=1000 | => cached, has Template-A=2
N head-410-update :: Cache-Control: max-age=2 ; Date: @0 ; Template-A: 1 ~ | HEAD / [410] Template-A: 2 ; Cache-Control: max-age=1000 | => cached, has Template-A=2
"#;
