//! What is stored, with which fields, for whom, and what ends it.

/// Rows of cc-response, status, method, headers, auth, invalidation, cdn-cache-control and other.
pub(super) const ROWS: &str = r#"
R cc-resp-private-shared :: Cache-Control: private, max-age=3600 | => new
R cc-resp-no-store :: Cache-Control: no-store | => new
R cc-resp-no-store-case-insensitive :: Cache-Control: No-StOrE | => new
R cc-resp-no-store-fresh :: Cache-Control: max-age=10000, no-store ; Expires: @10000 ; Date: @0 | => new
Y cc-resp-no-store-old-new :: Cache-Control: max-age=10000 ; Expires: @10000 ; Date: @0 ; A: 1 ~ | Cache-Control: no-store ; Date: @0 ; A: 2 ~ | => cached, has A=1
Y cc-resp-no-store-old-max-age :: Cache-Control: max-age=10000 ; Expires: @10000 ; Date: @0 ; A: 1 ~ | Cache-Control: no-store, max-age=0 ; Date: @0 ; A: 2 ~ | => cached, has A=1
R cc-resp-no-cache :: Cache-Control: max-age=10000, no-cache ; Expires: @10000 ; Date: @0 | => new
R cc-resp-no-cache-case-insensitive :: Cache-Control: max-age=10000, No-CaChE ; Expires: @10000 ; Date: @0 | => new
O cc-resp-no-cache-revalidate :: Cache-Control: no-cache ; ETag: "abcd" | => etag
O cc-resp-no-cache-revalidate-fresh :: Cache-Control: max-age=10000, no-cache ; Expires: @10000 ; Date: @0 ; ETag: "abcd" | => etag
Y headers-omit-headers-listed-in-Cache-Control-no-cache-single :: Cache-Control: no-cache="a" ; a: 1 ; b: 2 ; Cache-Control: max-age=3600 ; Date: @0 ~ | => cached, has b=2, no a
Y headers-omit-headers-listed-in-Cache-Control-no-cache :: Cache-Control: no-cache="a, b" ; a: 1 ; b: 2 ; c: 3 ; Cache-Control: max-age=3600 ; Date: @0 ~ | => cached, has c=3, no a, no b
O cc-resp-must-revalidate-fresh :: Cache-Control: max-age=10000, must-revalidate ; ETag: "abcd" | => cached
R cc-resp-must-revalidate-stale :: Cache-Control: max-age=2, must-revalidate ; ETag: "abcd" | Cache-Control: max-age=2, must-revalidate ; ETag: "abcd" ~ => cached | => etag

O status-200-fresh :: [200] Cache-Control: max-age=100000 ; Date: @0 ~ | [200] => cached
O status-203-fresh :: [203] Cache-Control: max-age=100000 ; Date: @0 ~ | [203] => cached
O status-204-fresh :: [204] Cache-Control: max-age=100000 ; Date: @0 ~ | [204] => cached
O status-299-fresh :: [299] Cache-Control: max-age=100000 ; Date: @0 ~ | [299] => cached
O status-301-fresh :: [301] Cache-Control: max-age=100000 ; Date: @0 ~ | [301] => cached
O status-302-fresh :: [302] Cache-Control: max-age=100000 ; Date: @0 ~ | [302] => cached
O status-303-fresh :: [303] Cache-Control: max-age=100000 ; Date: @0 ~ | [303] => cached
O status-307-fresh :: [307] Cache-Control: max-age=100000 ; Date: @0 ~ | [307] => cached
O status-308-fresh :: [308] Cache-Control: max-age=100000 ; Date: @0 ~ | [308] => cached
O status-400-fresh :: [400] Cache-Control: max-age=100000 ; Date: @0 ~ | [400] => cached
O status-404-fresh :: [404] Cache-Control: max-age=100000 ; Date: @0 ~ | [404] => cached
O status-410-fresh :: [410] Cache-Control: max-age=100000 ; Date: @0 ~ | [410] => cached
O status-499-fresh :: [499] Cache-Control: max-age=100000 ; Date: @0 ~ | [499] => cached
O status-500-fresh :: [500] Cache-Control: max-age=100000 ; Date: @0 ~ | [500] => cached
O status-502-fresh :: [502] Cache-Control: max-age=100000 ; Date: @0 ~ | [502] => cached
O status-503-fresh :: [503] Cache-Control: max-age=100000 ; Date: @0 ~ | [503] => cached
O status-504-fresh :: [504] Cache-Control: max-age=100000 ; Date: @0 ~ | [504] => cached
O status-599-fresh :: [599] Cache-Control: max-age=100000 ; Date: @0 ~ | [599] => cached
R status-200-stale :: [200] Expires: @-5000 ; Last-Modified: @-100000 ; Date: @0 ~ | [200] => new
R status-204-stale :: [204] Expires: @-5000 ; Last-Modified: @-100000 ; Date: @0 ~ | [204] => new
R status-299-stale :: [299] Expires: @-5000 ; Last-Modified: @-100000 ; Date: @0 ~ | [299] => new
R status-308-stale :: [308] Expires: @-5000 ; Last-Modified: @-100000 ; Date: @0 ~ | [308] => new
R status-404-stale :: [404] Expires: @-5000 ; Last-Modified: @-100000 ; Date: @0 ~ | [404] => new
R status-410-stale :: [410] Expires: @-5000 ; Last-Modified: @-100000 ; Date: @0 ~ | [410] => new
R status-499-stale :: [499] Expires: @-5000 ; Last-Modified: @-100000 ; Date: @0 ~ | [499] => new
R status-599-stale :: [599] Expires: @-5000 ; Last-Modified: @-100000 ; Date: @0 ~ | [599] => new
R status-599-must-understand :: [599] Cache-Control: max-age=3600, no-store, must-understand | [599] => new
O status-200-must-understand :: [200] Cache-Control: max-age=3600, no-store, must-understand | => cached

o method-POST :: POST <Content-Length: 5> Cache-Control: max-age=3600 ; Content-Location: / ; Date: @0 ~ | => cached

R headers-omit-headers-listed-in-Connection :: Cache-Control: max-age=100000 ; Date: @0 ; Connection: a, b ; a: 1 ; b: 2 ; c: 3 ~ | => cached, has c=3, no a, no b
R headers-store-Test-Header :: Date: @0 ; Test-Header: v ; Cache-Control: max-age=3600 ~ | => cached, has Test-Header=v
R headers-store-X-Test-Header :: Date: @0 ; X-Test-Header: v ; Cache-Control: max-age=3600 ~ | => cached, has X-Test-Header=v
R headers-store-Content-Foo :: Date: @0 ; Content-Foo: v ; Cache-Control: max-age=3600 ~ | => cached, has Content-Foo=v
R headers-store-Cache-Control :: Date: @0 ; Cache-Control: max-age=3600 ~ | => cached, has Cache-Control=max-age=3600
R headers-store-Connection :: Date: @0 ; Connection: v ; Cache-Control: max-age=3600 ~ | => cached, no Connection
R headers-store-Content-Encoding :: Date: @0 ; Content-Encoding: v ; Cache-Control: max-age=3600 ~ | => cached, has Content-Encoding=v
R headers-store-Content-Length :: body=0123456789 Date: @0 ; Content-Length: 10 ; Cache-Control: max-age=3600 ~ | => cached, has Content-Length=10
R headers-store-Content-Location :: Date: @0 ; Content-Location: /bar ; Cache-Control: max-age=3600 ~ | => cached, has Content-Location=/bar
R headers-store-Content-MD5 :: Date: @0 ; Content-MD5: v== ; Cache-Control: max-age=3600 ~ | => cached, has Content-MD5=v==
R headers-store-Content-Range :: Date: @0 ; Content-Range: v ; Cache-Control: max-age=3600 ~ | => cached, has Content-Range=v
R headers-store-Content-Security-Policy :: Date: @0 ; Content-Security-Policy: default-src 'self' ; Cache-Control: max-age=3600 ~ | => cached, has Content-Security-Policy=default-src 'self'
R headers-store-Content-Type :: Date: @0 ; Content-Type: text/plain;charset=utf-8 ; Cache-Control: max-age=3600 ~ | => cached, has Content-Type
R headers-store-Clear-Site-Data :: Date: @0 ; Clear-Site-Data: cookies ; Cache-Control: max-age=3600 ~ | => cached, has Clear-Site-Data=cookies
R headers-store-ETag :: Date: @0 ; ETag: "ghijkl" ; Cache-Control: max-age=3600 ~ | => cached, has ETag="ghijkl"
R headers-store-Expires :: Date: @0 ; Expires: Mon, 11 Jan 2038 11:11:11 GMT ; Cache-Control: max-age=3600 ~ | => cached, has Expires
R headers-store-Keep-Alive :: Date: @0 ; Keep-Alive: v ; Cache-Control: max-age=3600 ~ | => cached, no Keep-Alive
R headers-store-Proxy-Authenticate :: Date: @0 ; Proxy-Authenticate: v ; Cache-Control: max-age=3600 ~ | => cached, no Proxy-Authenticate
R headers-store-Proxy-Authentication-Info :: Date: @0 ; Proxy-Authentication-Info: v ; Cache-Control: max-age=3600 ~ | => cached, no Proxy-Authentication-Info
R headers-store-Proxy-Authorization :: Date: @0 ; Proxy-Authorization: v ; Cache-Control: max-age=3600 ~ | => cached, no Proxy-Authorization
R headers-store-Proxy-Connection :: Date: @0 ; Proxy-Connection: v ; Cache-Control: max-age=3600 ~ | => cached, no Proxy-Connection
R headers-store-Public-Key-Pins :: Date: @0 ; Public-Key-Pins: v ; Cache-Control: max-age=3600 ~ | => cached, has Public-Key-Pins=v
R headers-store-Set-Cookie :: Date: @0 ; Set-Cookie: a=c ; Cache-Control: max-age=3600 ~ | => cached, has Set-Cookie=a=c
R headers-store-Set-Cookie2 :: Date: @0 ; Set-Cookie2: a=c ; Cache-Control: max-age=3600 ~ | => cached, has Set-Cookie2=a=c
R headers-store-TE :: Date: @0 ; TE: v ; Cache-Control: max-age=3600 ~ | => cached, no TE
R headers-store-Upgrade :: Date: @0 ; Upgrade: v ; Cache-Control: max-age=3600 ~ | => cached, no Upgrade
R headers-store-X-Frame-Options :: Date: @0 ; X-Frame-Options: sameorigin ; Cache-Control: max-age=3600 ~ | => cached, has X-Frame-Options=sameorigin
R headers-store-X-XSS-Protection :: Date: @0 ; X-XSS-Protection: 1 ; Cache-Control: max-age=3600 ~ | => cached, has X-XSS-Protection=1

R other-authorization :: <Authorization: FOO> Cache-Control: max-age=100000 ; Date: @0 ~ => seen Authorization=FOO | => new
O other-authorization-public :: <Authorization: FOO> Cache-Control: max-age=3600, public ; Date: @0 ~ | => cached
O other-authorization-must-revalidate :: <Authorization: FOO> Cache-Control: max-age=3600, must-revalidate ; Date: @0 ~ | => cached
O other-authorization-smaxage :: <Authorization: FOO> Cache-Control: s-maxage=3600 ; Date: @0 ~ | => cached

R invalidate-POST :: Cache-Control: max-age=100000 ; Date: @0 ~ | POST / | => new
R invalidate-PUT :: Cache-Control: max-age=100000 ; Date: @0 ~ | PUT / | => new
R invalidate-DELETE :: Cache-Control: max-age=100000 ; Date: @0 ~ | DELETE / | => new
R invalidate-M-SEARCH :: Cache-Control: max-age=100000 ; Date: @0 ~ | M-SEARCH / | => new
O invalidate-POST-failed :: Cache-Control: max-age=100000 ; Date: @0 ~ | POST / [500] | => cached
O invalidate-PUT-failed :: Cache-Control: max-age=100000 ; Date: @0 ~ | PUT / [500] | => cached
O invalidate-DELETE-failed :: Cache-Control: max-age=100000 ; Date: @0 ~ | DELETE / [500] | => cached
O invalidate-M-SEARCH-failed :: Cache-Control: max-age=100000 ; Date: @0 ~ | M-SEARCH / [500] | => cached
Y invalidate-POST-location :: GET /t/l Cache-Control: max-age=100000 ; Date: @0 | POST /t Location: /t/l ; Content-Location: /t/c | GET /t/l => new
Y invalidate-PUT-location :: GET /t/l Cache-Control: max-age=100000 ; Date: @0 | PUT /t Location: http://host/t/l | GET /t/l => new
Y invalidate-DELETE-location :: GET /t/l Cache-Control: max-age=100000 ; Date: @0 | DELETE /t Location: /t/l | GET /t/l => new
Y invalidate-M-SEARCH-location :: GET /t/l Cache-Control: max-age=100000 ; Date: @0 | M-SEARCH /t Location: /t/l | GET /t/l => new
Y invalidate-POST-cl :: GET /t/c Cache-Control: max-age=100000 ; Date: @0 | POST /t Location: /t/l ; Content-Location: /t/c | GET /t/c => new
Y invalidate-PUT-cl :: GET /t/c Cache-Control: max-age=100000 ; Date: @0 | PUT /t Content-Location: /t/c | GET /t/c => new

O cdn-max-age :: CDN-Cache-Control: max-age=3600 ~ | => cached
O cdn-max-age-max :: CDN-Cache-Control: max-age=2147483648 ~ | => cached
O cdn-max-age-max-plus :: CDN-Cache-Control: max-age=99999999999 ~ | => cached
R cdn-max-age-age :: Date: @0 ; CDN-Cache-Control: max-age=3600 ; Age: 7200 ~ | => new
Y cdn-max-age-space-before-equals :: Cache-Control: max-age=1 ; CDN-Cache-Control: max-age =100 ~ | => new
Y cdn-max-age-space-after-equals :: Cache-Control: max-age=1 ; CDN-Cache-Control: max-age= 100 ~ | => new
R cdn-max-age-0 :: CDN-Cache-Control: max-age=0 ~ | => new
O cdn-max-age-extension :: CDN-Cache-Control: foobar, max-age=3600 ~ | => cached
N cdn-max-age-case-insensitive :: CDN-Cache-Control: MaX-aGe=3600 ~ | => cached
O cdn-max-age-expires :: CDN-Cache-Control: max-age=3600 ; Expires: @-10000 ; Date: @0 ~ | => cached
O cdn-max-age-cc-max-age-invalid-expires :: CDN-Cache-Control: max-age=3600 ; Expires: 0 ; Date: @0 ~ | => cached
R cdn-max-age-0-expires :: CDN-Cache-Control: max-age=0 ; Expires: @10000 ; Date: @0 ~ | => new
O cdn-max-age-short-cc-max-age :: Cache-Control: max-age=1 ; CDN-Cache-Control: max-age=3600 ~ | => cached
R cdn-max-age-long-cc-max-age :: Cache-Control: max-age=3600 ; CDN-Cache-Control: max-age=1 ~ | => new
R cdn-private :: CDN-Cache-Control: private ; Cache-Control: max-age=10000 ; Expires: @10000 ; Date: @0 | => new
R cdn-no-cache :: CDN-Cache-Control: no-cache ; Cache-Control: max-age=10000 ; Expires: @10000 ; Date: @0 | => new
R cdn-no-store-cc-fresh :: Cache-Control: max-age=10000 ; CDN-Cache-Control: no-store ; Expires: @10000 ; Date: @0 ~ | => new
R cdn-fresh-cc-nostore :: Cache-Control: no-store ; CDN-Cache-Control: max-age=10000 ~ | => cached
R cdn-cc-invalid-sh-type-unknown :: CDN-Cache-Control: max-age=10000, &&&&& ; Cache-Control: no-store ~ | => new
R cdn-cc-invalid-sh-type-wrong :: CDN-Cache-Control: max-age="10000" ; Cache-Control: no-store ~ | => new
Y cdn-remove-header :: Cache-Control: max-age=10000 ; CDN-Cache-Control: foo ; Expires: @10000 ; Date: @0 => has CDN-Cache-Control=foo
Y cdn-remove-age-exceed :: Cache-Control: max-age=1 ; CDN-Cache-Control: max-age=10000 ; Date: @0 ~ | => cached, has Age
Y cdn-date-update-exceed :: Cache-Control: max-age=1 ; CDN-Cache-Control: max-age=10000 ; Date: @0 ~ | => cached, has Date=@0
Y cdn-expires-update-exceed :: Cache-Control: max-age=1 ; Expires: @1 ; CDN-Cache-Control: max-age=10000 ; Date: @0 ~ | => cached, has Expires=@1

R other-age-gen :: Cache-Control: max-age=100000 ; Date: @0 ~ | => cached, age>2
R other-age-update-expires :: Expires: @2592000 ; Date: @0 ; Age: 30 ~ | => cached, age>32
R other-age-update-max-age :: Cache-Control: max-age=100000 ; Date: @0 ; Age: 30 ~ | => cached, age>32
R other-date-update :: Cache-Control: max-age=100000 ; Date: @0 ~ | => cached, has Date=@0
R other-date-update-expires :: Expires: @2592000 ; Date: @0 ~ | => cached, has Date=@0
Y other-date-update-expires-update :: Expires: @2592000 ; Date: @0 ~ | => cached, has Expires=@2592000
R query-args-different :: GET /?a=1 Cache-Control: max-age=100000 ; Date: @0 ~ | GET /?a=2 => new
O query-args-same :: GET /?a=1 Cache-Control: max-age=100000 ; Date: @0 ~ | GET /?a=1 => cached
Y other-heuristic-content-disposition-attachment :: Last-Modified: @-100000 ; Date: @0 ; Content-Disposition: attachment; filename=example.txt | => cached
Y other-fresh-content-disposition-attachment :: Cache-Control: max-age=100000 ; Date: @0 ; Content-Disposition: attachment; filename=example.txt ~ | => cached
O other-set-cookie :: Cache-Control: max-age=100000 ; Date: @0 ; Set-Cookie: a=b ~ | => cached
O other-cookie :: Cache-Control: max-age=100000 ; Date: @0 ~ | <Cookie: a=b> => cached
"#;
