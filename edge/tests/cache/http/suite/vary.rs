//! Selecting fields.

/// Rows of vary and vary-parse.
pub(super) const ROWS: &str = r#"
O vary-match :: <Foo: 1> Cache-Control: max-age=5000 ; Last-Modified: @-3000 ; Date: @0 ; Vary: Foo | <Foo: 1> => cached
R vary-no-match :: <Foo: 1> Cache-Control: max-age=5000 ; Last-Modified: @-3000 ; Date: @0 ; Vary: Foo | <Foo: 2> => new
R vary-omit-stored :: Cache-Control: max-age=5000 ; Last-Modified: @-3000 ; Date: @0 ; Vary: Foo | <Foo: 1> => new
R vary-omit :: <Foo: 1> Cache-Control: max-age=5000 ; Last-Modified: @-3000 ; Date: @0 ; Vary: Foo | => new
O vary-invalidate :: <Foo: 1> body=foo_1 Cache-Control: max-age=5000 ; Date: @0 ; Vary: Foo | <Foo: 2> body=foo_2 Cache-Control: max-age=5000 ; Date: @0 ; Vary: Foo => new | <Foo: 1> => cached, body=foo_1
O vary-cache-key :: <Foo: 1 ; Other: 2> Cache-Control: max-age=5000 ; Date: @0 ; Vary: Foo | <Foo: 1 ; Other: 3> => cached
O vary-2-match :: <Foo: 1 ; Bar: abc> Cache-Control: max-age=5000 ; Date: @0 ; Vary: Foo, Bar | <Foo: 1 ; Bar: abc> => cached
R vary-2-no-match :: <Foo: 1 ; Bar: abc> Cache-Control: max-age=5000 ; Date: @0 ; Vary: Foo, Bar | <Foo: 2 ; Bar: abc> => new
R vary-2-match-omit :: <Foo: 1 ; Bar: abc> Cache-Control: max-age=5000 ; Date: @0 ; Vary: Foo, Bar | => new
O vary-3-match :: <Foo: 1 ; Bar: abc ; Baz: 789> Cache-Control: max-age=5000 ; Date: @0 ; Vary: Foo, Bar, Baz | <Foo: 1 ; Bar: abc ; Baz: 789> => cached
R vary-3-no-match :: <Foo: 1 ; Bar: abc ; Baz: 789> Cache-Control: max-age=5000 ; Date: @0 ; Vary: Foo, Bar, Baz | <Foo: 2 ; Bar: abc ; Baz: 789> => new
R vary-3-order :: <Foo: 1 ; Bar: abc ; Baz: 789> Cache-Control: max-age=5000 ; Date: @0 ; Vary: Foo, Bar, Baz | <Foo: 1 ; Baz: 789 ; Bar: abcde> => new
O vary-3-omit :: <Foo: 1 ; Baz: 789> Cache-Control: max-age=5000 ; Date: @0 ; Vary: Foo, Bar, Baz | <Foo: 1 ; Baz: 789> => cached
R vary-star :: <Foo: 1 ; Baz: 789> Cache-Control: max-age=5000 ; Date: @0 ; Vary: * | <Foo: 1 ; Baz: 789> => new
O vary-normalise-combine :: <Foo: 1, 2> Cache-Control: max-age=5000 ; Date: @0 ; Vary: Foo | <Foo: 1 ; Foo: 2> => cached
O vary-normalise-lang-order :: <Accept-Language: en, de> Cache-Control: max-age=5000 ; Date: @0 ; Vary: Accept-Language | <Accept-Language: de, en> => cached
O vary-normalise-lang-case :: <Accept-Language: en, de> Cache-Control: max-age=5000 ; Date: @0 ; Vary: Accept-Language | <Accept-Language: eN, De> => cached
O vary-normalise-lang-space :: <Accept-Language: en, de> Cache-Control: max-age=5000 ; Date: @0 ; Vary: Accept-Language | <Accept-Language:  en ,   de> => cached
o vary-normalise-lang-select :: <Accept-Language: en, de> Cache-Control: max-age=5000 ; Date: @0 ; Vary: Accept-Language ; Content-Language: de | <Accept-Language: fr;q=0.5, de;q=1.0> => cached
O vary-normalise-space :: <Foo: 1,2> Cache-Control: max-age=5000 ; Date: @0 ; Vary: Foo | <Foo:  1, 2 > => cached

R vary-syntax-star :: <Foo: 1> Cache-Control: max-age=5000 ; Date: @0 ; Vary: * | <Foo: 1> => new
R vary-syntax-star-star :: <Foo: 1> Cache-Control: max-age=5000 ; Date: @0 ; Vary: *, * | <Foo: 1> => new
R vary-syntax-star-star-lines :: <Foo: 1> Cache-Control: max-age=5000 ; Date: @0 ; Vary: * ; Vary: * | <Foo: 1> => new
R vary-syntax-empty-star :: <Foo: 1> Cache-Control: max-age=5000 ; Date: @0 ; Vary: , * | <Foo: 1> => new
R vary-syntax-empty-star-lines :: <Foo: 1> Cache-Control: max-age=5000 ; Date: @0 ; Vary: ; Vary: * | <Foo: 1> => new
R vary-syntax-star-foo :: <Foo: 1> Cache-Control: max-age=5000 ; Date: @0 ; Vary: *, Foo | <Foo: 1> => new
R vary-syntax-foo-star :: <Foo: 1> Cache-Control: max-age=5000 ; Date: @0 ; Vary: Foo, * | <Foo: 1> => new
"#;
