//! Images without a network: a few layers of random bytes in a `docker save` archive, which docker, skopeo, podman and
//! containerd all read.

use std::{
    fs,
    path::{Path, PathBuf},
};

use aws_lc_rs::{
    digest::{SHA256, digest},
    rand,
};
use serde_json::json;
use tempfile::TempDir;

/// An image that no other test has: its layers are random.
pub struct Image {
    layers: Vec<Vec<u8>>,
}

/// An image archive on disk; gone when dropped.
pub struct Archive {
    path: PathBuf,
    _directory: TempDir,
}

impl Image {
    /// An image of `layers` layers, each with a file of `bytes` bytes that do not compress.
    pub fn random(layers: usize, bytes: usize) -> Self {
        let layer = |n| tar(&[(&format!("layer-{n}"), &random_bytes(bytes))]);
        Self { layers: (0..layers).map(layer).collect() }
    }

    /// An image of one file, the same each time.
    pub fn holding(name: &str, text: &str) -> Self {
        Self { layers: vec![tar(&[(name, text.as_bytes())])] }
    }

    /// Writes it as `docker save` does, tagged `reference`.
    pub fn archive(&self, reference: &str) -> Archive {
        let directory = tempfile::Builder::new().prefix("portwarden-image-").tempdir().unwrap();
        let path = directory.path().join("image.tar");
        self.write(&path, reference);
        Archive { path, _directory: directory }
    }

    fn write(&self, path: &Path, reference: &str) {
        let config = self.config();
        let config_name = format!("{}.json", hex_sha256(&config));
        let layer_names: Vec<String> = (0..self.layers.len()).map(|n| format!("{n}.tar")).collect();
        let manifest =
            json!([{"Config": config_name, "RepoTags": [reference], "Layers": layer_names}]).to_string();
        let mut files: Vec<(&str, &[u8])> =
            layer_names.iter().map(String::as_str).zip(self.layers.iter().map(Vec::as_slice)).collect();
        files.push((&config_name, &config));
        files.push(("manifest.json", manifest.as_bytes()));
        fs::write(path, tar(&files)).unwrap();
    }

    fn config(&self) -> Vec<u8> {
        let ids: Vec<String> = self.layers.iter().map(|layer| sha256(layer)).collect();
        json!({
            "architecture": "amd64", "os": "linux", "created": "2026-01-01T00:00:00Z",
            "config": {}, "rootfs": {"type": "layers", "diff_ids": ids},
        })
        .to_string()
        .into_bytes()
    }
}

impl Archive {
    /// Returns its path.
    pub fn path(&self) -> &str {
        self.path.to_str().unwrap()
    }
}

/// `sha256:<hex>` of `bytes`.
pub fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{}", hex_sha256(bytes))
}

/// Bytes that do not compress and that no other test has.
pub fn random_bytes(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    rand::fill(&mut bytes).unwrap();
    bytes
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hex_sha256(bytes: &[u8]) -> String {
    hex(digest(&SHA256, bytes).as_ref())
}

/// A POSIX (ustar) archive of regular files.
fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = Vec::new();
    for (name, content) in files {
        archive.extend(tar_header(name, content.len()));
        archive.extend_from_slice(content);
        archive.resize(archive.len().next_multiple_of(512), 0);
    }
    archive.extend([0; 1024]);
    archive
}

fn tar_header(name: &str, size: usize) -> [u8; 512] {
    let mut header = [0; 512];
    let mut put = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, "0000644\0");
    put(108, "0000000\0");
    put(116, "0000000\0");
    put(124, &format!("{size:011o}\0"));
    put(136, "00000000000\0");
    put(148, "        ");
    put(156, "0");
    put(257, "ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}
