//! Path parameters of one request: which name took which bytes of the path.
//!
//! Shape: a fixed array that the caller owns, filled in path order. Units: byte offsets into the
//! path that was matched. Ranges: at most [`PARAMS_MAX`] entries, offsets below 65,536. Errors:
//! none; a route with more parameters does not compile, so a push cannot overflow.
//! Source: values stay percent-encoded, as the REST API service hands them over.

use std::ops::Range;

/// Most path parameters of one route.
pub const PARAMS_MAX: usize = 32;

/// A parameter's name, an index into the names of the tree that matched.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct NameId(pub u16);

/// One parameter.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Param {
    /// Whose value this is.
    pub name: NameId,
    /// First byte of the value.
    pub start: u16,
    /// One past the last byte.
    pub end: u16,
}

/// The parameters of one match, in path order. Reused from request to request.
#[derive(Clone, Debug)]
pub struct Params {
    count: u8,
    items: [Param; PARAMS_MAX],
}

impl Params {
    /// An empty set.
    #[must_use]
    pub const fn new() -> Params {
        Params {
            count: 0,
            items: [Param {
                name: NameId(0),
                start: 0,
                end: 0,
            }; PARAMS_MAX],
        }
    }

    /// The parameters in path order.
    #[must_use]
    pub fn as_slice(&self) -> &[Param] {
        self.items.get(..usize::from(self.count)).unwrap_or(&[])
    }

    /// Bytes of the parameter at `ordinal` (path order) within the path it was matched on.
    #[must_use]
    pub fn value<'p>(&self, ordinal: usize, path: &'p [u8]) -> Option<&'p [u8]> {
        path.get(self.as_slice().get(ordinal)?.range())
    }

    /// Forgets all parameters.
    pub fn clear(&mut self) {
        self.count = 0;
    }

    pub(super) fn push(&mut self, param: Param) {
        if let Some(item) = self.items.get_mut(usize::from(self.count)) {
            *item = param;
            self.count += 1;
        } else {
            debug_assert!(false, "a compiled route has at most PARAMS_MAX parameters");
        }
    }

    pub(super) fn pop(&mut self) {
        self.count = self.count.saturating_sub(1);
    }
}

impl Param {
    /// The value's place in the path.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        usize::from(self.start)..usize::from(self.end)
    }
}

impl Default for Params {
    fn default() -> Params {
        Params::new()
    }
}

const _: () = assert!(PARAMS_MAX <= u8::MAX as usize);
