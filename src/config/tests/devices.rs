//! The plugins of devices: which there are, and what belongs to which.
use super::*;
use crate::{
    config::settings::metrics::{Measurements, Options, Plugin},
    model::Resolution,
};

fn plugins(collected: &str) -> Vec<Plugin> {
    let s = settings(&format!(r#"{{ "metrics": {{ "metrics_collected": {{ {collected} }} }} }}"#));
    s.metrics.expect("metrics").plugins
}

fn fields(plugin: &Plugin) -> Vec<&str> {
    match &plugin.measurements {
        Measurements::These(all) => all.iter().map(|measurement| &*measurement.field).collect(),
        Measurements::Everything { .. } => vec![],
    }
}

#[test]
fn what_ethtool_drops_may_be_named_as_it_is_published_or_as_the_driver_calls_it() {
    let all = plugins(r#""ethtool": { "drop_original_metrics": ["rx_errors", "ethtool_tx_errors"] }"#);
    let dropped: Vec<&str> = all[0].dimensions.drop_original.iter().map(String::as_str).collect();
    assert_eq!(dropped, ["ethtool_rx_errors", "ethtool_tx_errors"]);
}

#[test]
fn what_efa_does_not_know_is_passed_over_as_by_the_agent() {
    let text = r#"{ "metrics": { "metrics_collected": { "efa": { "measurement": ["tx_bytes", "tx_furlongs"] } } } }"#;
    check_warning(text, "metrics.metrics_collected.efa.measurement[1]", "ignored");
    assert_eq!(fields(&plugins(r#""efa": { "measurement": ["tx_bytes", "tx_furlongs"] }"#)[0]), ["tx_bytes"]);
}

#[test]
fn what_volumes_tell_is_read_apart_from_what_the_kernel_counts() {
    let all = plugins(
        r#""diskio": { "measurement": ["reads", "ebs_total_read_ops", "diskio_instance_store_volume_queue_length"],
            "resources": ["nvme0n1"], "append_dimensions": { "a": "b" }, "metrics_collection_interval": 10 }"#,
    );
    let [disks, volumes] = &all[..] else { panic!("{all:?}") };
    assert_eq!((disks.key, fields(disks)), ("diskio", vec!["reads"]));
    assert_eq!((disks.dimensions.host, disks.dimensions.append.len(), disks.resolution), (true, 1, Resolution::Second));
    let expected = vec!["ebs_total_read_ops", "instance_store_volume_queue_length"];
    assert_eq!((volumes.key, fields(volumes)), ("diskio_nvme", expected));
    assert_eq!((volumes.dimensions.host, volumes.dimensions.append.len()), (false, 0));
    assert_eq!((volumes.resolution, volumes.interval), (Resolution::Minute, Duration::from_secs(10)));
    assert_eq!(volumes.options, Options::Devices(Some(vec!["nvme0n1".into()])));
}

#[test]
fn of_disks_and_volumes_only_what_is_asked_for_is_read() {
    let keys = |measurement: &str| -> Vec<_> {
        let all = plugins(&format!(r#""diskio": {{ "measurement": ["{measurement}"] }}"#));
        all.into_iter().map(|plugin| plugin.key).collect()
    };
    assert_eq!(keys("ebs_volume_queue_length"), ["diskio_nvme"]);
    assert_eq!(keys("reads"), ["diskio"]);
}

#[test]
fn a_gpu_carries_its_id_where_that_is_asked_for() {
    let of =
        |more: &str| plugins(&format!(r#""nvidia_gpu": {{ "measurement": ["power_draw"] {more} }}"#)).remove(0).options;
    assert_eq!(of(""), Options::Gpu { uuid: false });
    assert_eq!(of(r#", "uuid": true"#), Options::Gpu { uuid: true });
}

#[test]
fn a_plugin_leaves_the_host_out_where_it_is_told_to_and_adapters_always() {
    let host = |collected: &str| plugins(collected).remove(0).dimensions.host;
    assert!(host(r#""thermal": { "measurement": ["temperature"] }"#));
    assert!(!host(r#""thermal": { "measurement": ["temperature"], "omit_hostname": true }"#));
    assert!(!host(r#""efa": { "measurement": ["tx_bytes"] }"#));
}

#[test]
fn sensors_boards_storage_and_the_system_are_plugins_of_their_own() {
    let all = plugins(
        r#""os": { "measurement": ["load1", "os_uptime"] }, "raspberry_pi": { "measurement": ["throttled"] },
            "storage_health": { "measurement": ["ext4_errors"] }, "thermal": { "measurement": ["temperature", "fan_speed"] }"#,
    );
    let found: Vec<_> = all.iter().map(|plugin| (plugin.key, fields(plugin))).collect();
    let expected = [
        ("os", vec!["load1", "uptime"]),
        ("raspberry_pi", vec!["throttled"]),
        ("storage_health", vec!["ext4_errors"]),
        ("thermal", vec!["temperature", "fan_speed"]),
    ];
    assert_eq!(found, expected);
}
