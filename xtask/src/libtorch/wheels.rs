//! The checked-in table of the Python wheels that libtorch comes in.

/// One wheel, the same version for every platform.
pub(crate) struct Wheel {
    /// Project and version, as pip takes them.
    pub(crate) requirement: &'static str,
    /// The digests of its files: Linux on x86-64, Linux on ARM, and for torch macOS on ARM.
    pub(crate) sha256: &'static [&'static str],
}

/// The version of libtorch that tch 0.26 is made for.
pub(crate) const VERSION: &str = "2.13.0";

/// The CPython release whose torch wheel is taken, whatever python3 is here: libtorch is the same in all of them, and
/// so one file per platform needs checking, and a Python too old or too new for torch will do.
pub(crate) const PYTHON: &str = "3.11";

/// Libtorch itself, and its headers.
pub(crate) const TORCH: Wheel = Wheel {
    requirement: "torch==2.13.0",
    sha256: &[
        "60fcdcb2f3876e21146cb4524ef06397d727ca9ad5f020818547e25075fe3cb7",
        "092790c696a760c729fd5722835f50b9d81fd7c8f141571f3f3cf4081a8f664c",
        "e76f9bcecc52b8ff711239a2f7547d5353df95878ab232f0773c1d95928b92f8",
    ],
};

/// What libtorch for Linux cannot be loaded without, even where no GPU is.
pub(crate) const LINUX: [Wheel; 2] = [
    Wheel {
        requirement: "nvidia-cuda-runtime==13.0.96",
        sha256: &[
            "7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548",
            "ef9bcbe90493a2b9d810e43d249adb3d02e98dd30200d86607d8d02687c43f55",
        ],
    },
    Wheel {
        requirement: "nvidia-cuda-cupti==13.0.85",
        sha256: &[
            "4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8",
            "796bd679890ee55fb14a94629b698b6db54bcfd833d391d5e94017dd9d7d3151",
        ],
    },
];

/// What `libtorch_cuda` needs besides: torch 2.13.0's own list, without the parts for Python alone.
pub(crate) const CUDA: [Wheel; 13] = [
    Wheel {
        requirement: "nvidia-cublas==13.1.1.3",
        sha256: &[
            "37936a16db8fe4ac1f065c2139360608a543a09275cb1a1af612e08cfa065436",
            "b7a210458267ac818974c53038fbec2e969d5c99f305ab15c72522fa9f001dd5",
        ],
    },
    Wheel {
        requirement: "nvidia-cuda-nvrtc==13.0.88",
        sha256: &[
            "ad9b6d2ead2435f11cbb6868809d2adeeee302e9bb94bcf0539c7a40d80e8575",
            "d27f20a0ca67a4bb34268a5e951033496c5b74870b868bacd046b1b8e0c3267b",
        ],
    },
    Wheel {
        requirement: "nvidia-cudnn-cu13==9.20.0.48",
        sha256: &[
            "0c45dd8eeb50b603f07995b1b300c62ffe6a1980482b82b3bcf94a4ca9d49304",
            "e31454ae00094b0c55319d9d15b6fa2fc50a9e1c0f5c8c80fb75258234e731e1",
        ],
    },
    Wheel {
        requirement: "nvidia-cufft==12.0.0.61",
        sha256: &[
            "6c44f692dce8fd5ffd3e3df134b6cdb9c2f72d99cf40b62c32dde45eea9ddad3",
            "2708c852ef8cd89d1d2068bdbece0aa188813a0c934db3779b9b1faa8442e5f5",
        ],
    },
    Wheel {
        requirement: "nvidia-cufile==1.15.1.6",
        sha256: &[
            "08a3ecefae5a01c7f5117351c64f17c7c62efa5fffdbe24fc7d298da19cd0b44",
            "bdc0deedc61f548bddf7733bdc216456c2fdb101d020e1ab4b88d232d5e2f6d1",
        ],
    },
    Wheel {
        requirement: "nvidia-curand==10.4.0.35",
        sha256: &[
            "1aee33a5da6e1db083fe2b90082def8915f30f3248d5896bcec36a579d941bfc",
            "133df5a7509c3e292aaa2b477afd0194f06ce4ea24d714d616ff36439cee349a",
        ],
    },
    Wheel {
        requirement: "nvidia-cusolver==12.0.4.66",
        sha256: &[
            "0a759da5dea5c0ea10fd307de75cdeb59e7ea4fcb8add0924859b944babf1112",
            "02c2457eaa9e39de20f880f4bd8820e6a1cfb9f9a34f820eb12a155aa5bc92d2",
        ],
    },
    Wheel {
        requirement: "nvidia-cusparse==12.6.3.3",
        sha256: &[
            "2b3c89c88d01ee0e477cb7f82ef60a11a4bcd57b6b87c33f789350b59759360b",
            "80bcc4662f23f1054ee334a15c72b8940402975e0eab63178fc7e670aa59472c",
        ],
    },
    Wheel {
        requirement: "nvidia-cusparselt-cu13==0.8.1",
        sha256: &[
            "786ce87568c303fadb5afcc7102d454cd3040d75f6f8626f5db460d1871f4dd0",
            "4dca476c50bf4780d46cd0bfbd82e2bc10a08e4fef7950917ce8d7578d22a23f",
        ],
    },
    Wheel {
        requirement: "nvidia-nccl-cu13==2.29.7",
        sha256: &[
            "edd81538446786ec3b73972543e53bb43bcaf0bfc8ef76cb679fcc390ffe136d",
            "674a12383e3c38a1bcccae7d4f3633b37852230b6047883cb2f4c2d1b36d9bf5",
        ],
    },
    Wheel {
        requirement: "nvidia-nvjitlink==13.0.88",
        sha256: &[
            "13a74f429e23b921c1109976abefacc69835f2f433ebd323d3946e11d804e47b",
            "e931536ccc7d467a98ba1d8b89ff7fa7f1fa3b13f2b0069118cd7f47bff07d0c",
        ],
    },
    Wheel {
        requirement: "nvidia-nvshmem-cu13==3.4.5",
        sha256: &[
            "290f0a2ee94c9f3687a02502f3b9299a9f9fe826e6d0287ee18482e78d495b80",
            "6dc2a197f38e5d0376ad52cd1a2a3617d3cdc150fd5966f4aee9bcebb1d68fe9",
        ],
    },
    Wheel {
        requirement: "nvidia-nvtx==13.0.85",
        sha256: &[
            "4936d1d6780fbe68db454f5e72a42ff64d1fd6397df9f363ae786930fd5c1cd4",
            "cb7780edb6b14107373c835bf8b72e7a178bac7367e23da7acb108f973f157a6",
        ],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wheel_is_pinned_and_no_digest_stands_twice() {
        let wheels = [TORCH].into_iter().chain(LINUX).chain(CUDA);
        let mut digests: Vec<&str> = Vec::new();
        for wheel in wheels {
            assert!(wheel.requirement.contains("=="), "{}", wheel.requirement);
            assert!(wheel.sha256.len() >= 2, "{}", wheel.requirement);
            digests.extend(wheel.sha256);
        }
        assert!(digests.iter().all(|digest| digest.len() == 64));
        let count = digests.len();
        digests.sort_unstable();
        digests.dedup();
        assert_eq!(digests.len(), count);
        assert!(TORCH.requirement.ends_with(VERSION));
    }
}
