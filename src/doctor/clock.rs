//! Clocks: is reading one cheap, and does it tell the right time?
//!
//! Shape: sysfs, the process's memory map and the kernel's clock discipline in, findings out.
//! Units: none. Errors: what cannot be read is said so. Source: vdso(7), adjtimex(2); Signature
//! Version 4 allows five minutes of difference.

use super::{Finding, Host, Level};
use tidegate_edge::ring::probe::clock_synchronized;

const SOURCES: &str = "/sys/devices/system/clocksource/clocksource0";

/// Sources that the vDSO reads without a system call.
const FAST_SOURCES: &[&str] = &[
    "tsc",
    "kvm-clock",
    "hyperv_clocksource_tsc_page",
    "arch_sys_counter",
];

/// Source, vDSO, synchronization.
pub(super) fn findings(host: &Host) -> Vec<Finding> {
    vec![source(host), vdso(host), synchronized(clock_synchronized())]
}

fn source(host: &Host) -> Finding {
    let why = "the loop reads the clock every turn; a slow source is a system call each time";
    let Some(current) = host.text(&format!("{SOURCES}/current_clocksource")) else {
        return Finding::ok("clock source", "unknown: /sys does not say", why);
    };
    let finding = Finding::ok("clock source", current.clone(), why);
    if FAST_SOURCES.contains(&current.as_str()) {
        return finding;
    }
    let available = host.text(&format!("{SOURCES}/available_clocksource"));
    let available = available.unwrap_or_default();
    let fast = available
        .split_whitespace()
        .find(|name| FAST_SOURCES.contains(name));
    let cure = match fast {
        Some(fast) => format!("echo {fast} > {SOURCES}/current_clocksource"),
        None => "boot with clocksource=tsc tsc=reliable, if the CPU has an invariant TSC".into(),
    };
    finding.but(Level::Warn, cure)
}

fn vdso(host: &Host) -> Finding {
    let why = "without the vDSO every reading of the clock is a system call";
    match host.text("/proc/self/maps") {
        None => Finding::ok("vDSO", "unknown: /proc/self/maps cannot be read", why),
        Some(maps) if maps.contains("[vdso]") => Finding::ok("vDSO", "mapped", why),
        Some(_) => Finding::ok("vDSO", "not mapped", why)
            .but(Level::Warn, "boot without vdso=0 (see: cat /proc/cmdline)"),
    }
}

fn synchronized(state: Option<bool>) -> Finding {
    let why = "signed requests are refused when clocks differ by five minutes; tokens expire early";
    let finding = |seen: &str| Finding::ok("time synchronization", seen, why);
    match state {
        Some(true) => finding("the kernel's clock is disciplined"),
        Some(false) => finding("nobody disciplines the kernel's clock")
            .but(Level::Warn, "timedatectl set-ntp true (or start chronyd)"),
        None => finding("unknown: the kernel does not say"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::host::tests::host_of;
    use super::*;

    #[test]
    fn clock_rows() {
        let current = format!("{SOURCES}/current_clocksource");
        let available = format!("{SOURCES}/available_clocksource");
        let rows = [
            ("tsc", "tsc hpet", Level::Ok, ""),
            ("kvm-clock", "kvm-clock", Level::Ok, ""),
            ("hpet", "tsc hpet", Level::Warn, "echo tsc >"),
            ("acpi_pm", "hpet acpi_pm", Level::Warn, "clocksource=tsc"),
        ];
        for (now, others, level, cure) in rows {
            let (_dir, host) = host_of(&[(&current, now), (&available, others)]);
            let found = source(&host);
            assert_eq!(found.level, level, "{now}: {found:?}");
            assert!(found.cure.unwrap_or_default().contains(cure), "{now}");
        }
        for (maps, level) in [("7ff [vdso]", Level::Ok), ("7ff [stack]", Level::Warn)] {
            let (_dir, host) = host_of(&[("/proc/self/maps", maps)]);
            assert_eq!(vdso(&host).level, level, "{maps}");
        }
        for (state, level) in [
            (None, Level::Ok),
            (Some(true), Level::Ok),
            (Some(false), Level::Warn),
        ] {
            assert_eq!(synchronized(state).level, level, "{state:?}");
        }
    }
}
