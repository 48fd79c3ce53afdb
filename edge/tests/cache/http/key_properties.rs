//! Keys of random requests are equal exactly when what they say is.

use proptest::prelude::*;
use tidegate_edge::cache::http::{KeyPolicy, Names};

use super::keys::{key, list, policy};

/// What a request says, as far as a policy looks: written as plainly as can be.
#[derive(Clone, PartialEq, Debug)]
struct Meaning {
    path: String,
    query: Vec<String>,
    header: Option<Vec<String>>,
    cookie: Vec<String>,
    caller: Option<String>,
}

#[derive(Clone, Debug)]
struct Asked {
    path: String,
    query: Option<Vec<(String, String)>>,
    header: Vec<Vec<String>>,
    cookies: Vec<(String, String)>,
    caller: Option<String>,
}

fn asked() -> impl Strategy<Value = Asked> {
    let word = "[ab=;&]{0,2}".prop_map(|text: String| text.replace([';', '&', '='], "x"));
    let path = "[ab/?]{0,3}".prop_map(|text: String| format!("/{}", text.replace('?', "%3F")));
    let pair = ("[abc]", word.clone());
    let cookie = ("[st]", word.clone());
    (
        path,
        proptest::option::of(proptest::collection::vec(pair, 0..3)),
        proptest::collection::vec(proptest::collection::vec("[12]{1,2}", 1..3), 0..3),
        proptest::collection::vec(cookie, 0..3),
        proptest::option::of("[ab]{0,2}"),
    )
        .prop_map(|(path, query, header, cookies, caller)| Asked {
            path,
            query,
            header,
            cookies,
            caller,
        })
}

/// Queries as clients and attackers write them.
fn query() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        "[abcA]{1,2}",
        Just("%61".to_owned()),
        Just("%zz".to_owned()),
        Just("a[]".to_owned())
    ];
    let pair = (name, "(=[xy&;]?)?").prop_map(|(name, value)| name + &value);
    proptest::collection::vec(pair, 0..4).prop_map(|pairs| pairs.join("&"))
}

impl Asked {
    fn key(&self, policy: &KeyPolicy) -> Vec<u8> {
        let join = |pairs: &[(String, String)], between: &str| {
            let pairs: Vec<String> = pairs.iter().map(|(a, b)| format!("{a}={b}")).collect();
            pairs.join(between)
        };
        let query = self.query.as_ref().map(|pairs| join(pairs, "&"));
        let target = match query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        };
        let mut lines: Vec<String> = self
            .header
            .iter()
            .map(|elements| format!("X-A: {}", elements.join(" , ")))
            .collect();
        if !self.cookies.is_empty() {
            lines.push(format!("Cookie: {}", join(&self.cookies, "; ")));
        }
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        key(policy, &target, &lines, self.caller.as_deref())
    }

    /// Under: query parameters a and b, field X-A, cookie s, callers apart.
    fn meaning(&self) -> Meaning {
        let named = |pairs: &[(String, String)], names: &[&str]| {
            let mut found = Vec::new();
            for name in names {
                for (own, value) in pairs {
                    if own == name {
                        found.push(format!("{own}={value}"));
                    }
                }
            }
            found
        };
        Meaning {
            path: self.path.clone(),
            query: named(self.query.as_deref().unwrap_or_default(), &["a", "b"]),
            header: (!self.header.is_empty()).then(|| self.header.concat()),
            cookie: named(&self.cookies, &["s"]),
            caller: self.caller.clone(),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    /// Full keys isolate: equal keys mean equal requests, as far as the policy looks.
    #[test]
    fn keys_are_equal_exactly_when_requests_are(one in asked(), other in asked()) {
        let policy = policy(
            Names::Listed(list(&["a", "b"])),
            &["x-a"],
            Names::Listed(list(&["s"])),
            true,
        );
        let is_same = one.meaning() == other.meaning();
        prop_assert_eq!(one.key(&policy) == other.key(&policy), is_same, "{:?} {:?}", one, other);
        // One change at a time is likelier to be a near miss.
        for part in 0..5 {
            let mut mixed = one.clone();
            match part {
                0 => mixed.path.clone_from(&other.path),
                1 => mixed.query.clone_from(&other.query),
                2 => mixed.header.clone_from(&other.header),
                3 => mixed.cookies.clone_from(&other.cookies),
                _ => mixed.caller.clone_from(&other.caller),
            }
            let is_same = one.meaning() == mixed.meaning();
            let equal = one.key(&policy) == mixed.key(&policy);
            prop_assert_eq!(equal, is_same, "{:?} {:?}", one, mixed);
        }
    }

    /// Nothing that the key does not tell apart reaches an origin.
    #[test]
    fn requests_of_one_key_have_one_query(one in query(), other in query()) {
        for names in [
            Names::None,
            Names::All,
            Names::Listed(list(&["b", "a"])),
            Names::AllExcept(list(&["a"])),
        ] {
            let policy = policy(names, &[], Names::None, false);
            let forwarded = |query: &str| {
                let mut room = vec![0; query.len()];
                match policy.write_counted(query.as_bytes(), &mut room) {
                    Some(len) => room[..len].to_vec(),
                    None => query.as_bytes().to_vec(),
                }
            };
            let key = |query: &str| key(&policy, &format!("/?{query}"), &[], None);
            let (first, second) = (forwarded(&one), forwarded(&other));
            if key(&one) == key(&other) {
                prop_assert_eq!(&first, &second);
            }
            // What is forwarded counts, and all that counts is forwarded.
            let text = String::from_utf8(first).expect("text");
            prop_assert_eq!(key(&text), key(&one));
            prop_assert_eq!(forwarded(&text), text.as_bytes());
        }
    }

    /// Callers are partitions: whatever else two requests say, two callers share no key.
    #[test]
    fn callers_are_partitions(one in asked(), other in asked()) {
        let policy = policy(Names::None, &[], Names::None, true);
        if one.caller != other.caller {
            prop_assert_ne!(one.key(&policy), other.key(&policy));
        }
    }
}
