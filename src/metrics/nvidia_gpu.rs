//! `nvidia_gpu`: graphics processors of NVIDIA, under the names of the agent, which asks `nvidia-smi`. Here the library is asked that
//! `nvidia-smi` asks, too: no process is started. Values are in percent, degrees Celsius, watts, MiB and MHz; the latency of the
//! encoder is in microseconds; the agent sends none of them with a unit.
//!
//! Without the library or the driver there is nothing to measure, and it is looked for again now and then: the driver may be
//! installed, or its module loaded, while we run.
use super::{CollectError, Collector, Entry, Readings, presence::Presence};
use crate::{
    config::settings::metrics::{Options, Plugin},
    platform::devices::nvml::{Gpu, LIBRARY, Nvml},
};
use std::{
    io,
    path::PathBuf,
    time::{Duration, Instant},
};

pub(super) const ENTRY: Entry = Entry { key: "nvidia_gpu", build };

/// Between two attempts to find the library and its driver: a failed one may have the driver's own program try to load its module.
const PAUSE: Duration = Duration::from_secs(300);

struct NvidiaGpu {
    library: PathBuf,
    /// Whether each GPU carries its own id as a dimension, too.
    uuid: bool,
    nvml: Option<Nvml>,
    tried: Option<Instant>,
    presence: Presence,
}

fn build(plugin: &Plugin) -> Box<dyn Collector> {
    Box::new(NvidiaGpu {
        library: LIBRARY.into(),
        uuid: matches!(plugin.options, Options::Gpu { uuid: true }),
        nvml: None,
        tried: None,
        presence: Presence::of(ENTRY.key),
    })
}

impl Collector for NvidiaGpu {
    fn collect(&mut self, out: &mut Readings<'_>) -> Result<(), CollectError> {
        let Some(nvml) = self.nvml(out.now().monotonic) else { return Ok(()) };
        let found = match nvml.read() {
            Ok(found) => found,
            Err(source) => {
                // After an update of the driver only a new beginning helps.
                self.nvml = None;
                return Err(CollectError::Read { what: "the number of GPUs", source });
            }
        };
        let some = !found.gpus.is_empty() || found.lost.is_some();
        self.presence.saw(some, || "the NVIDIA driver has no GPU".to_owned());
        for gpu in &found.gpus {
            offer(gpu, self.uuid, out);
        }
        match found.lost {
            None => Ok(()),
            Some((index, why)) => Err(CollectError::Read {
                what: "one of the GPUs",
                source: io::Error::other(format!("GPU {index}: {why}")),
            }),
        }
    }
}

impl NvidiaGpu {
    fn nvml(&mut self, now: Instant) -> Option<&Nvml> {
        if self.nvml.is_none() && self.tried.is_none_or(|before| now.duration_since(before) >= PAUSE) {
            self.tried = Some(now);
            match Nvml::open(&self.library) {
                Ok(nvml) => self.nvml = Some(nvml),
                Err(error) => self.presence.saw(false, || format!("there is no NVIDIA driver: {error}")),
            }
        }
        self.nvml.as_ref()
    }
}

fn offer(gpu: &Gpu, uuid: bool, out: &mut Readings<'_>) {
    let index = gpu.index.to_string();
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let (name, id) = (text(&gpu.name), if uuid { text(&gpu.uuid) } else { String::new() });
    let tags = [("index", &*index), ("name", &name), ("arch", gpu.architecture.unwrap_or_default()), ("uuid", &id)];
    let mut tagged = out.of(&tags);
    // As `nvidia-smi` shows it: whole MiB.
    let mebibytes = |bytes: u64| (bytes >> 20) as f64;
    let memory = gpu.memory;
    let [graphics, sm, clock_of_memory, video] = gpu.clocks.map(|clock| clock.map(f64::from));
    let utilization = |at: usize| gpu.utilization.map(|both| f64::from(both[at]));
    let encoder = |at: usize| gpu.encoder.map(|all| f64::from(all[at]));
    let values = [
        ("utilization_gpu", utilization(0)),
        ("utilization_memory", utilization(1)),
        ("temperature_gpu", gpu.temperature.map(f64::from)),
        ("power_draw", gpu.power.map(|milliwatts| f64::from(milliwatts) / 1000.0)),
        ("fan_speed", gpu.fan.map(f64::from)),
        ("memory_total", memory.map(|memory| mebibytes(memory.total))),
        ("memory_used", memory.map(|memory| mebibytes(memory.used))),
        ("memory_free", memory.map(|memory| mebibytes(memory.free))),
        ("pcie_link_gen_current", gpu.link_generation.map(f64::from)),
        ("pcie_link_width_current", gpu.link_width.map(f64::from)),
        ("encoder_stats_session_count", encoder(0)),
        ("encoder_stats_average_fps", encoder(1)),
        ("encoder_stats_average_latency", encoder(2)),
        ("clocks_current_graphics", graphics),
        ("clocks_current_sm", sm),
        ("clocks_current_memory", clock_of_memory),
        ("clocks_current_video", video),
    ];
    for (field, value) in values {
        if let Some(value) = value {
            tagged.push(field, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::trial::offered, *};
    use crate::platform::devices::nvml::Memory;

    fn absent() -> NvidiaGpu {
        let (library, presence) = ("libnvidia-ml-that-is-nowhere.so.1".into(), Presence::of("nvidia_gpu"));
        NvidiaGpu { library, uuid: false, nvml: None, tried: None, presence }
    }

    /// Offers one GPU.
    struct One(Gpu, bool);

    impl Collector for One {
        fn collect(&mut self, out: &mut Readings<'_>) -> Result<(), CollectError> {
            offer(&self.0, self.1, out);
            Ok(())
        }
    }

    fn gpu() -> Gpu {
        Gpu {
            index: 3,
            name: Some("NVIDIA A10G".into()),
            uuid: Some("GPU-0a1b".into()),
            architecture: Some("Ampere"),
            power: Some(26_770),
            memory: Some(Memory { total: 24_146_608_128, used: (5 << 20) - 1, free: 0 }),
            ..Gpu::default()
        }
    }

    #[test]
    fn values_are_those_of_nvidia_smi_and_what_is_not_known_is_not_told() {
        let tags = "{index=3,name=NVIDIA A10G,arch=Ampere}";
        let expected = [
            format!("power_draw{tags} 26.77"),
            format!("memory_total{tags} 23028"),
            format!("memory_used{tags} 4"),
            format!("memory_free{tags} 0"),
        ];
        assert_eq!(offered(&mut One(gpu(), false), "nvidia_gpu"), expected);
    }

    #[test]
    fn the_id_of_a_gpu_is_a_dimension_only_where_it_is_asked_for() {
        let told = offered(&mut One(gpu(), true), "nvidia_gpu");
        assert!(told.iter().all(|point| point.contains("uuid=GPU-0a1b")), "{told:?}");
    }

    #[test]
    fn a_machine_without_a_driver_is_no_error_and_is_not_asked_all_the_time() {
        let mut absent = absent();
        assert_eq!(offered(&mut absent, "nvidia_gpu"), [] as [&str; 0]);
        let tried = absent.tried.expect("it was tried");
        assert!(absent.nvml(tried + Duration::from_secs(299)).is_none());
        assert_eq!(absent.tried, Some(tried));
        assert!(absent.nvml(tried + PAUSE).is_none());
        assert_eq!(absent.tried, Some(tried + PAUSE));
    }
}
