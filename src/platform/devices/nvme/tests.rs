//! Names of controllers and devices, and pages as EC2 and drives give them.
use super::{super::trees, *};
use std::fs;

fn page(mark: u32, numbers: impl IntoIterator<Item = u64>) -> Vec<u8> {
    let mut page = mark.to_le_bytes().to_vec();
    page.extend([0xff; 4]);
    page.extend(numbers.into_iter().flat_map(u64::to_le_bytes));
    page.resize(4096, 0xee);
    page
}

#[test]
fn controllers_of_ec2_are_told_by_their_model_and_named_by_their_serial() {
    let tree = trees::plant(trees::EC2_NITRO);
    let found: Vec<_> =
        controllers(tree.path()).expect("read").into_iter().map(|c| (c.amazon().expect("of EC2"), c.name)).collect();
    let ebs = |volume: &str| Amazon::Ebs { volume: volume.to_owned() };
    let expected = [
        (ebs("vol-0a1b2c3d4e5f60718"), "nvme0".to_owned()),
        (Amazon::InstanceStore { serial: "AWS6AF3F7C3A5B1C2D3E".to_owned() }, "nvme1".to_owned()),
        (ebs("vol-00112233445566778"), "nvme10".to_owned()),
    ];
    assert_eq!(found, expected);
}

#[test]
fn other_drives_are_not_of_ec2_and_those_of_other_machines_are_remote() {
    let tree = trees::plant(trees::LAPTOP);
    let all = controllers(tree.path()).expect("read");
    assert!(all.iter().all(|c| c.amazon().is_none()));
    let remote: Vec<_> = all.iter().map(|c| (c.name.as_str(), c.remote)).collect();
    assert_eq!(remote, [("nvme0", false), ("nvme1", false), ("nvme2", true)]);
}

#[test]
fn a_host_without_such_drives_has_no_controllers() {
    let tree = trees::plant(trees::RASPBERRY_PI_4);
    assert_eq!(controllers(tree.path()).expect("read"), []);
}

#[test]
fn namespaces_come_first_and_devices_of_other_controllers_are_not_taken() {
    let dev = tempfile::tempdir().expect("temporary folder");
    for name in
        ["nvme1", "nvme1n1p1", "nvme1n1", "nvme10n1", "nvme10", "nvme1n2", "nvme1c0n1", "nvme1n1p", "nvme-fabrics"]
    {
        fs::write(dev.path().join(name), "").expect("written");
    }
    let tree = trees::plant(trees::EC2_NITRO);
    let second = &controllers(tree.path()).expect("read")[1];
    assert_eq!(second.devices(dev.path()).expect("read"), ["nvme1n1", "nvme1n2", "nvme1", "nvme1n1p1"]);
}

#[test]
fn both_pages_of_ec2_have_their_numbers_in_the_documented_order() {
    let expected = Statistics {
        read_ops: 1,
        write_ops: 2,
        read_bytes: 3,
        write_bytes: 4,
        read_time: 5,
        write_time: 6,
        volume_iops_exceeded: 7,
        volume_throughput_exceeded: 8,
        instance_iops_exceeded: 9,
        instance_throughput_exceeded: 10,
        queue_length: 11,
    };
    for mark in [0x3c23_b510, 0xec2c_0d7e] {
        assert_eq!(statistics(&page(mark, 1..=11)), Some(expected));
    }
    let full = statistics(&page(MAGICS[0], [u64::MAX; 11])).expect("a page");
    assert_eq!((full.read_ops, full.queue_length), (u64::MAX, u64::MAX));
}

#[test]
fn a_page_without_the_mark_or_without_an_end_is_none() {
    assert_eq!(statistics(&page(0x3c23_b511, 1..=11)), None);
    assert_eq!(statistics(&[0; 4096]), None);
    let whole = page(MAGICS[1], 1..=11);
    for length in [0, 3, 4, 7, 8, 95] {
        assert_eq!(statistics(&whole[..length]), None, "{length} bytes");
    }
    assert!(statistics(&whole[..96]).is_some());
}

#[test]
fn the_health_of_a_drive_is_read_at_the_places_of_the_specification() {
    let mut page = vec![0; 512];
    (page[0], page[3], page[5]) = (0b100, 97, 255);
    page[160..176].copy_from_slice(&0x1_0000_0000_0000_0002u128.to_le_bytes());
    let expected = Health {
        critical_warning: 4,
        available_spare: 97,
        percentage_used: 255,
        media_errors: 0x1_0000_0000_0000_0002,
    };
    assert_eq!(health(&page), Some(expected));
    for length in [0, 5, 6, 175] {
        assert_eq!(health(&page[..length]), None, "{length} bytes");
    }
}

#[test]
fn a_serial_number_of_another_form_stays_as_it_is() {
    assert_eq!(volume_id("vol0a1b"), "vol-0a1b");
    assert_eq!(volume_id("vol-0a1b"), "vol-0a1b");
    assert_eq!((volume_id("0a1b"), volume_id("")), ("0a1b".to_owned(), String::new()));
}
