//! How much memory the process holds, told to the workers.
//!
//! What it is: a task on the control core that reads what is resident, four times a second, as a
//! share of what the settings or the host allow; a worker sheds load by it. Shape: [`watch`].
//! Units: bytes, percent. Errors: a host that does not say presses nobody. Source: proc(5);
//! RELIABILITY section 3.

use std::rc::Rc;

use super::control::Control;
use crate::doctor::{Host, granted_bytes, resident_bytes};

/// Looks until the process ends.
pub(super) async fn watch(control: Rc<Control>) {
    let host = Host::real();
    let granted = granted_bytes(&host);
    let core = &control.core;
    loop {
        let wanted = control.blueprint.borrow().plan.limits.memory_bytes_max;
        let most = bytes_max(wanted, granted);
        let percent = percent(resident_bytes(&host), most);
        control.admission.load().set_memory_percent(percent);
        core.sleep_until(core.now().plus_ms(LOOK_MS)).await;
    }
}

/// What the process may hold; 0 when nobody knows.
fn bytes_max(wanted: u64, granted: Option<u64>) -> u64 {
    match wanted {
        0 => granted.map_or(0, |bytes| bytes / 100 * SHARE_PERCENT),
        bytes => bytes,
    }
}

fn percent(resident: Option<u64>, most: u64) -> u8 {
    let resident = resident.unwrap_or(0);
    let percent = resident.saturating_mul(100).checked_div(most).unwrap_or(0);
    u8::try_from(percent).unwrap_or(u8::MAX).min(100)
}

const LOOK_MS: u64 = 250;
/// The gateway's share where no setting says it: the rest is the kernel's, for its sockets.
const SHARE_PERCENT: u64 = 80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_of_the_setting_or_of_the_host() {
        // setting, host, resident, percent
        let rows = [
            (0, None, Some(5), 0),
            (0, Some(1_000), Some(400), 50),
            (0, Some(1_000), Some(900), 100),
            (500, Some(1_000), Some(400), 80),
            (500, None, Some(400), 80),
            (500, None, None, 0),
            (1, None, Some(u64::MAX), 100),
        ];
        for (wanted, granted, resident, expected) in rows {
            let found = percent(resident, bytes_max(wanted, granted));
            assert_eq!(found, expected, "{wanted} {granted:?} {resident:?}");
        }
    }
}
