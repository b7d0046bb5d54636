//! Tables of what the agent does not know: sensors, boards, the wear of storage, the system as a whole.
use super::{Field, Kind::Gauge, Systems, Table};
use crate::model::Unit;

const fn gauge(name: &'static str, unit: Unit, on: Systems) -> Field {
    Field { name, unit, kind: Gauge, on }
}

pub const OS: Table = Table {
    key: "os",
    prefix: "os_",
    summary: "load, uptime and file handles of the whole system",
    fields: &[
        gauge("load1", Unit::None, Systems::UNIX),
        gauge("load5", Unit::None, Systems::UNIX),
        gauge("load15", Unit::None, Systems::UNIX),
        gauge("uptime", Unit::Seconds, Systems::EVERYWHERE),
        gauge("file_handles_allocated", Unit::Count, Systems::UNIX),
        gauge("file_handles_maximum", Unit::Count, Systems::UNIX),
        gauge("file_handles_used_percent", Unit::Percent, Systems::UNIX),
    ],
};

pub const RASPBERRY_PI: Table = Table {
    key: "raspberry_pi",
    prefix: "raspberry_pi_",
    summary: "what the firmware of a Raspberry Pi says about power and heat: 1 where it holds, 0 where it does not",
    fields: &[
        gauge("under_voltage", Unit::None, Systems::LINUX),
        gauge("frequency_capped", Unit::None, Systems::LINUX),
        gauge("throttled", Unit::None, Systems::LINUX),
        gauge("soft_temperature_limit", Unit::None, Systems::LINUX),
        gauge("under_voltage_occurred", Unit::None, Systems::LINUX),
        gauge("frequency_capped_occurred", Unit::None, Systems::LINUX),
        gauge("throttled_occurred", Unit::None, Systems::LINUX),
        gauge("soft_temperature_limit_occurred", Unit::None, Systems::LINUX),
    ],
};

pub const STORAGE_HEALTH: Table = Table {
    key: "storage_health",
    prefix: "storage_health_",
    summary: "how worn NVMe drives and eMMC are, and what ext4 counts of errors and of what was ever written",
    fields: &[
        gauge("nvme_percentage_used", Unit::Percent, Systems::LINUX),
        gauge("nvme_available_spare", Unit::Percent, Systems::LINUX),
        gauge("nvme_critical_warning", Unit::None, Systems::LINUX),
        gauge("nvme_media_errors", Unit::Count, Systems::LINUX),
        gauge("emmc_life_time_percent", Unit::Percent, Systems::LINUX),
        gauge("emmc_pre_eol_info", Unit::None, Systems::LINUX),
        gauge("ext4_errors", Unit::Count, Systems::LINUX),
        gauge("ext4_lifetime_written", Unit::Bytes, Systems::LINUX),
    ],
};

pub const THERMAL: Table = Table {
    key: "thermal",
    prefix: "thermal_",
    summary: "temperatures in degrees Celsius, and fans in revolutions per minute",
    fields: &[gauge("temperature", Unit::None, Systems::LINUX), gauge("fan_speed", Unit::None, Systems::LINUX)],
};
