//! Against a library that the test builds of `fake.c`, with what a driver may lack.
use super::*;
use std::process::Command;
use tempfile::TempDir;

/// The library, and the folder that it lies in.
fn built(with: &str) -> (Nvml, TempDir) {
    let folder = build(with);
    (Nvml::open(&folder.path().join("fake.so")).expect("it starts"), folder)
}

fn build(with: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("temporary folder");
    let source = folder.path().join("fake.c");
    std::fs::write(&source, include_str!("fake.c")).expect("written");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", with, "-o"]).arg(folder.path().join("fake.so")).arg(&source);
    assert!(compiler.status().expect("the compiler that Rust links with").success());
    folder
}

#[test]
fn a_gpu_tells_all_that_it_supports() {
    let (nvml, _folder) = built("-DALL");
    let found = nvml.read().expect("it answers");
    let expected = Gpu {
        index: 0,
        name: Some("NVIDIA A10G".into()),
        uuid: Some("GPU-0a1b2c3d".into()),
        architecture: Some("Ampere"),
        utilization: Some([91, 42]),
        temperature: Some(50),
        power: Some(26_770),
        fan: None,
        memory: Some(Memory { total: 1000, used: 300, free: 600 }),
        link_generation: Some(4),
        link_width: Some(16),
        encoder: Some([1, 60, 900]),
        clocks: [Some(1000), Some(1001), Some(1002), None],
    };
    assert_eq!((&found.gpus[0], found.gpus.len(), found.lost), (&expected, 2, None));
}

#[test]
fn what_a_gpu_does_not_tell_rightly_is_left_out() {
    let (nvml, _folder) = built("-DALL");
    let second = &nvml.read().expect("it answers").gpus[1];
    assert_eq!((second.index, second.name.as_deref()), (1, Some("Tesla T4")));
    assert_eq!((second.uuid.as_deref(), second.architecture, second.utilization), (None, None, None));
}

#[test]
fn an_older_driver_tells_its_memory_in_the_older_way() {
    let (nvml, _folder) = built("-DOLD_DRIVER");
    let memory = nvml.read().expect("it answers").gpus[0].memory;
    assert_eq!(memory, Some(Memory { total: 1000, used: 400, free: 600 }));
}

#[test]
fn a_lost_gpu_does_not_silence_the_others() {
    let (nvml, _folder) = built("-DONE_LOST");
    let found = nvml.read().expect("it answers");
    assert_eq!((found.gpus.len(), found.lost), (1, Some((1, "GPU is lost".to_owned()))));
}

#[test]
fn a_library_without_a_driver_says_so_and_can_be_opened_again() {
    let folder = build("-DNO_DRIVER");
    for _ in 0..2 {
        let why = Nvml::open(&folder.path().join("fake.so")).expect_err("no driver");
        assert_eq!((why.kind(), why.to_string().as_str()), (io::ErrorKind::Other, "Driver Not Loaded"));
    }
    let (nvml, _folder) = built("-DBROKEN");
    assert_eq!(nvml.read().expect_err("no count").to_string(), "Driver Not Loaded");
}

#[test]
fn it_is_started_and_stopped_in_turn() {
    let (nvml, folder) = built("-DALL");
    drop(nvml);
    let again = Nvml::open(&folder.path().join("fake.so")).expect("it starts again");
    assert_eq!(again.read().expect("started once").gpus.len(), 2);
}

#[test]
fn a_machine_without_the_library_or_with_another_file_has_no_gpus() {
    let other = tempfile::NamedTempFile::new().expect("temporary file");
    for path in [Path::new("libnvidia-ml-that-is-nowhere.so.1"), other.path()] {
        assert_eq!(Nvml::open(path).expect_err("none").kind(), io::ErrorKind::NotFound);
    }
}

#[test]
fn generations_have_the_names_of_nvidia_smi() {
    let names = [0, 1, 2, 7, 8, 10, 11, u32::MAX].map(architecture);
    assert_eq!(
        names,
        [None, None, Some("Kepler"), Some("Ampere"), Some("Ada Lovelace"), Some("Blackwell"), None, None]
    );
}
