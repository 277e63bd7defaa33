"""Makes h5py_types.h5 and h5py_data.h5, files of another HDF5 writer for tests/test_h5.c.

    python make_h5.py            writes both beside this script
    python make_h5.py FILE       prints a data file written by finerouter, as h5py sees it
"""
import os
import sys

import h5py
import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))


def fixed_strings(f, name, padding, character_set, values):
    kind = h5py.h5t.C_S1.copy()
    kind.set_size(3)
    kind.set_strpad(padding)
    kind.set_cset(character_set)
    space = h5py.h5s.create_simple((len(values),))
    h5py.h5d.create(f.id, name, kind, space).write(h5py.h5s.ALL, h5py.h5s.ALL, np.array(values, "S3"), mtype=kind)


def types(path):
    with h5py.File(path, "w") as f:
        f.attrs["format"] = "finerouter-test"  # variable-length string
        f.attrs["version"] = np.int32(1)
        f.attrs["fixed"] = np.bytes_("fixed text")
        f.attrs["big"] = np.array(2.5, ">f4")
        f.attrs["two"] = [1, 2]
        f["f16"] = np.array([1, -2.5, 65504], np.float16)
        f["f64be"] = np.array([[1, 0.1], [1e-300, np.nan]], ">f8")
        f["huge"] = np.array([1e300])
        f["i16be"] = np.array([1, -2, 300], ">i2")
        f["u64"] = np.array([1, 2**64 - 1], np.uint64)
        f["bool"] = np.array([True, False])
        f["complex"] = np.array([1j])
        f["fixed"] = np.array([b"abc", b"", b"abcde"], "S5")
        f["texts"] = ["na\u00efve", "", "text"]
        f["words"] = np.array(["a", "b"], h5py.string_dtype("ascii"))
        fixed_strings(f, b"utf8", h5py.h5t.STR_NULLPAD, h5py.h5t.CSET_UTF8, ["\u00e9".encode(), b"abc"])
        fixed_strings(f, b"spaced", h5py.h5t.STR_SPACEPAD, h5py.h5t.CSET_ASCII, [b"ab ", b"abc"])
        f.create_dataset("chunked", data=np.arange(1000, dtype=">i4").reshape(100, 10), chunks=(7, 3),
                         compression="gzip", fletcher32=True)
        f.create_dataset("unwritten", shape=(1 << 40,), chunks=(1024,), dtype="f4")
        f.create_dataset("impossible", shape=(1 << 31, 1 << 31, 1 << 31), chunks=(1, 1, 1024), dtype="i1")
        f.create_dataset("sequences", (1,), h5py.vlen_dtype(np.int32))[0] = [1, 2]
        f["null"] = h5py.Empty("f4")
        f["elsewhere"] = h5py.ExternalLink("h5py_data.h5", "/quality")
        f["soft"] = h5py.SoftLink("/f16")
        f["dangling"] = h5py.SoftLink("/nowhere")
        layout = h5py.VirtualLayout((3, 2), "f4")
        layout[:] = h5py.VirtualSource("h5py_data.h5", "quality", (3, 2))
        f.create_virtual_dataset("virtual", layout)
        f.create_dataset("external", (4,), "i1", external=[("h5py_data.h5", 0, 4)])
        f.create_group("group/inner")


def data(path):
    with h5py.File(path, "w") as f:
        f.attrs["format"] = "finerouter-data"
        f.attrs["version"] = 1
        f["prompts/id"] = np.array([b"p1", b"p2", b"p3"], "S2")
        f["prompts/text"] = ["one", "zw\u00f6", "three"]
        f["prompts/description"] = ["", "two", ""]
        f["prompts/source"] = np.array([b"a", b"b", b"a"], "S1")
        f["prompts/split"] = np.array([0, 1, 2], np.int64)
        f["models/name"] = ["m1", "m2"]
        f["models/input_usd_per_mtok"] = np.array([1, np.nan], ">f4")
        f["models/output_usd_per_mtok"] = np.array([2, 3], np.int32)
        f["quality"] = np.array([[1, 0], [0.5, np.nan], [0, 1]], ">f8")
        f["cost"] = np.full((3, 2), np.nan, np.float16)


def show(path):
    def visit(name, item):
        if isinstance(item, h5py.Dataset):
            value = item.asstr()[()] if h5py.check_string_dtype(item.dtype) else item[()]
            print(f"/{name} {item.shape} {item.dtype} {item.compression} {str(value)[:200]}")

    with h5py.File(path, "r") as f:
        print(dict(f.attrs))
        f.visititems(visit)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        show(sys.argv[1])
    else:
        types(os.path.join(HERE, "h5py_types.h5"))
        data(os.path.join(HERE, "h5py_data.h5"))
