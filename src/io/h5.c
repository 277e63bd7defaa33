#include "h5.h"

#include "base/files.h"
#include "base/memory.h"
#include "h5_checksum.h"
#include "h5_heap.h"

#include <errno.h>
#include <fcntl.h>
#include <hdf5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    MAX_RANK = 8,
    CHUNK_FROM = 1 << 16,  /* bytes: smaller datasets lie in one piece, uncompressed */
    CHUNK_BYTES = 1 << 20, /* HDF5's chunk cache holds one such chunk */
    DEFLATE_RATIO = 1032,  /* deflate cannot shrink further than this */
};

struct fr_h5 {
    hid_t id;
    char *path;      /* as the caller named it */
    char *temporary; /* NULL when reading */
    int64_t version;
    int64_t bytes; /* of the file when it was opened */
    bool verified; /* by its checksum */
};

static const char *const type_names[] = {"float32", "float64", "int8", "uint8", "uint16", "int32", "int64"};

/* Types in memory and in files; files are little-endian whatever the machine. HDF5's names stand for calls, hence no
 * table. */
static hid_t type_of(fr_h5_type type, bool in_memory)
{
    switch (type) {
    case FR_H5_F32:
        return in_memory ? H5T_NATIVE_FLOAT : H5T_IEEE_F32LE;
    case FR_H5_F64:
        return in_memory ? H5T_NATIVE_DOUBLE : H5T_IEEE_F64LE;
    case FR_H5_I8:
        return in_memory ? H5T_NATIVE_INT8 : H5T_STD_I8LE;
    case FR_H5_U8:
        return in_memory ? H5T_NATIVE_UINT8 : H5T_STD_U8LE;
    case FR_H5_U16:
        return in_memory ? H5T_NATIVE_UINT16 : H5T_STD_U16LE;
    case FR_H5_I32:
        return in_memory ? H5T_NATIVE_INT32 : H5T_STD_I32LE;
    case FR_H5_I64:
        return in_memory ? H5T_NATIVE_INT64 : H5T_STD_I64LE;
    }
    FR_CHECK(false, "type %d", (int)type);
    return -1;
}

static hid_t native_type(fr_h5_type type)
{
    return type_of(type, true);
}

static void library_start(void)
{
    static bool started;
    if (started)
        return;
    /* HDF5's exit handler tries again and again to flush a file whose disk is full, and complains on stderr. Files are
     * closed by fr_h5_commit and fr_h5_close, so there is nothing for it to do. */
    H5dont_atexit();
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    started = true;
}

/* HDF5's reason for the last failure: the system's words if there are some, else those of the innermost error. Any
 * other call into HDF5 forgets it, H5Pclose too. */
static herr_t reason_visit(unsigned n, const H5E_error2_t *error, void *context)
{
    (void)n;
    char *text = context;
    const char *quote = error->desc ? strstr(error->desc, "error message = '") : NULL;
    if (quote) {
        snprintf(text, 128, "%s", quote + strlen("error message = '"));
        text[strcspn(text, "'")] = 0;
        return 1;
    }
    if (!text[0] && error->desc)
        snprintf(text, 128, "%s", error->desc);
    return 0;
}

static const char *reason(char text[128])
{
    text[0] = 0;
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, reason_visit, text);
    for (char *at = text; *at; at++)
        if (*at == '\n')
            *at = ' ';
    return text[0] ? text : "no reason given";
}

static fr_status file_error(const fr_h5 *file, const char *name, const char *what)
{
    char text[128];
    return fr_fail(FR_FAILED, "%s: %s: %s: %s", file->path, name, what, reason(text));
}

/* "(3, 4) float32" */
static void describe_shape(char *out, size_t bytes, int rank, const int64_t *shape, const char *type)
{
    size_t used = (size_t)snprintf(out, bytes, "(");
    for (int i = 0; i < rank && used < bytes; i++)
        used += (size_t)snprintf(out + used, bytes - used, i ? ", %lld" : "%lld", (long long)shape[i]);
    if (used < bytes)
        snprintf(out + used, bytes - used, ") %s", type);
}

static void describe_type(char out[32], hid_t type)
{
    static const char *const class_names[] = {[H5T_TIME] = "time",         [H5T_STRING] = "string",
                                              [H5T_BITFIELD] = "bitfield", [H5T_OPAQUE] = "opaque",
                                              [H5T_COMPOUND] = "compound", [H5T_REFERENCE] = "reference",
                                              [H5T_ENUM] = "enumeration",  [H5T_VLEN] = "variable-length sequence",
                                              [H5T_ARRAY] = "array"};
    H5T_class_t class = H5Tget_class(type);
    unsigned bits = 8 * (unsigned)H5Tget_size(type);
    if (class == H5T_FLOAT)
        snprintf(out, 32, "float%u", bits);
    else if (class == H5T_INTEGER)
        snprintf(out, 32, "%s%u", H5Tget_sign(type) == H5T_SGN_NONE ? "uint" : "int", bits);
    else if (class >= 0 && class <= H5T_ARRAY)
        snprintf(out, 32, "%s", class_names[class]);
    else
        snprintf(out, 32, "unknown type");
}

/* ---- opening and closing ---- */

static hid_t access_list(void)
{
    hid_t list = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_fclose_degree(list, H5F_CLOSE_STRONG);
    /* 1.10's format has checksums over its metadata. Locks are not needed, since files are only ever replaced as a
     * whole, and fail on some network file systems. */
    H5Pset_libver_bounds(list, H5F_LIBVER_V110, H5F_LIBVER_LATEST);
    H5Pset_file_locking(list, false, true);
    return list;
}

static fr_h5 *file_new(const char *path)
{
    library_start();
    fr_h5 *file = FR_NEW(fr_h5, 1);
    file->id = -1;
    file->path = fr_strdup(path);
    return file;
}

void fr_h5_close(fr_h5 *file)
{
    if (!file)
        return;
    if (file->id >= 0)
        H5Fclose(file->id);
    fr_replace_cancel(file->temporary);
    free(file->path);
    free(file);
}

static bool has_user_block(const fr_h5 *file)
{
    hsize_t bytes = 0;
    hid_t list = H5Fget_create_plist(file->id);
    H5Pget_userblock(list, &bytes);
    H5Pclose(list);
    return bytes >= FR_H5_USER_BLOCK;
}

fr_status fr_h5_commit(fr_h5 *file)
{
    FR_CHECK(file->temporary, "%s is open for reading", file->path);
    fr_status status = FR_OK;
    bool marked = has_user_block(file);
    if (H5Fflush(file->id, H5F_SCOPE_GLOBAL) < 0)
        status = file_error(file, "/", "cannot write");
    if (H5Fclose(file->id) < 0 && status == FR_OK)
        status = file_error(file, "/", "cannot write");
    file->id = -1;
    if (status == FR_OK && marked)
        status = fr_h5_checksum_write(file->temporary, file->path);
    if (status == FR_OK) {
        status = fr_replace_end(file->temporary, file->path);
        file->temporary = NULL;
    }
    fr_h5_close(file);
    return status;
}

fr_status fr_h5_create(fr_h5 **out, const char *path, const char *format, int64_t version)
{
    *out = NULL;
    struct stat info;
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode))
        return fr_fail(FR_FAILED, "%s: is a %s, want the name of a file", path,
                       S_ISDIR(info.st_mode) ? "folder" : "device");
    fr_h5 *file = file_new(path);
    fr_status status;
    FR_TRY_GOTO(fr_replace_begin(&file->temporary, path), failed);
    hid_t list = access_list(), create = H5Pcreate(H5P_FILE_CREATE);
    H5Pset_userblock(create, FR_H5_USER_BLOCK);
    H5Pset_obj_track_times(create, false); /* of the root group */
    file->id = H5Fcreate(file->temporary, H5F_ACC_TRUNC, create, list);
    status = file->id < 0 ? file_error(file, "/", "cannot create") : FR_OK;
    H5Pclose(create);
    H5Pclose(list);
    if (status != FR_OK)
        goto failed;
    file->version = version;
    FR_TRY_GOTO(fr_h5_set_text(file, "format", format), failed);
    FR_TRY_GOTO(fr_h5_set_integer(file, "version", version), failed);
    *out = file;
    return FR_OK;
failed:
    fr_h5_close(file);
    return status;
}

static fr_status check_kind(fr_h5 *file, int fd)
{
    const char *path = file->path;
    struct stat info;
    if (fstat(fd, &info) != 0)
        return fr_fail(FR_FAILED, "%s: cannot open: %s", path, strerror(errno));
    if (S_ISDIR(info.st_mode))
        return fr_fail(FR_FAILED, "%s: is a folder, want an HDF5 file", path);
    if (!S_ISREG(info.st_mode))
        return fr_fail(FR_FAILED, "%s: is not a regular file, want an HDF5 file", path);
    if (info.st_size == 0)
        return fr_fail(FR_FAILED, "%s: is empty, want an HDF5 file", path);
    file->bytes = info.st_size;
    if (!file->verified)
        FR_TRY(fr_h5_checksum_verify(&file->verified, fd, path));
    if (H5Fis_hdf5(path) <= 0)
        return fr_fail(FR_FAILED, "%s: is not an HDF5 file", path);
    return file->verified ? FR_OK : fr_h5_heap_check(path);
}

/* What is no HDF5 file at all, in the words of the person who named it; then the checksum. */
static fr_status check_outside(fr_h5 *file)
{
    int fd = open(file->path, O_RDONLY | O_NONBLOCK);
    if (fd < 0)
        return fr_fail(FR_FAILED, "%s: cannot open: %s", file->path, strerror(errno));
    fr_status status = check_kind(file, fd);
    close(fd);
    return status;
}

static fr_status check_format(fr_h5 *file, const char *format, int64_t newest)
{
    if (!fr_h5_has_attribute(file, "format") || !fr_h5_has_attribute(file, "version"))
        return fr_fail(FR_FAILED,
                       "%s: is an HDF5 file of another program (no attributes format and version), want format %s",
                       file->path, format);
    char *found;
    FR_TRY(fr_h5_get_text(file, "format", &found));
    fr_status status = FR_OK;
    if (strcmp(found, format) != 0)
        status = fr_fail(FR_FAILED, "%s: holds format \"%.60s\", want \"%s\"", file->path, found, format);
    free(found);
    FR_TRY(status);
    FR_TRY(fr_h5_get_integer(file, "version", &file->version));
    if (file->version > newest)
        return fr_fail(FR_FAILED,
                       "%s: version %lld of format %s was written by a newer finerouter, this one reads up to %lld",
                       file->path, (long long)file->version, format, (long long)newest);
    if (file->version < 1)
        return fr_fail(FR_FAILED, "%s: version %lld of format %s, want 1 to %lld", file->path, (long long)file->version,
                       format, (long long)newest);
    return FR_OK;
}

static fr_status open_as(fr_h5 *file, const char *on_disk, unsigned mode, const char *format, int64_t newest)
{
    hid_t list = access_list();
    file->id = H5Fopen(on_disk, mode, list);
    char text[128];
    fr_status status =
        file->id < 0 ? fr_fail(FR_FAILED, "%s: damaged or truncated HDF5 file: %s", file->path, reason(text)) : FR_OK;
    H5Pclose(list);
    FR_TRY(status);
    return check_format(file, format, newest);
}

static fr_status open_to_read(fr_h5 **out, const char *path, const char *format, int64_t newest, bool verified)
{
    *out = NULL;
    fr_h5 *file = file_new(path);
    file->verified = verified;
    fr_status status;
    FR_TRY_GOTO(check_outside(file), failed);
    FR_TRY_GOTO(open_as(file, path, H5F_ACC_RDONLY, format, newest), failed);
    *out = file;
    return FR_OK;
failed:
    fr_h5_close(file);
    return status;
}

fr_status fr_h5_open(fr_h5 **out, const char *path, const char *format, int64_t newest)
{
    return open_to_read(out, path, format, newest, false);
}

fr_status fr_h5_open_verified(fr_h5 **out, const char *path, const char *format, int64_t newest)
{
    return open_to_read(out, path, format, newest, true);
}

static fr_status copy_bytes(const char *from, const char *to, const char *name)
{
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    bool good = in && out;
    char *block = fr_alloc(1 << 20);
    size_t got;
    while (good && (got = fread(block, 1, 1 << 20, in)) > 0)
        good = fwrite(block, 1, got, out) == got;
    good = good && !ferror(in);
    int why = errno;
    if (out && fclose(out) != 0 && good) {
        good = false;
        why = errno;
    }
    if (in)
        fclose(in);
    free(block);
    return good ? FR_OK : fr_fail(FR_FAILED, "%s: cannot copy the file to extend it: %s", name, strerror(why));
}

fr_status fr_h5_extend(fr_h5 **out, const char *path, const char *format, int64_t newest)
{
    *out = NULL;
    fr_h5 *file = file_new(path);
    fr_status status;
    FR_TRY_GOTO(check_outside(file), failed);
    FR_TRY_GOTO(fr_replace_begin(&file->temporary, path), failed);
    FR_TRY_GOTO(copy_bytes(path, file->temporary, path), failed);
    FR_TRY_GOTO(open_as(file, file->temporary, H5F_ACC_RDWR, format, newest), failed);
    *out = file;
    return FR_OK;
failed:
    fr_h5_close(file);
    return status;
}

const char *fr_h5_path(const fr_h5 *file)
{
    return file->path;
}

int64_t fr_h5_version(const fr_h5 *file)
{
    return file->version;
}

/* ---- writing ---- */

static hid_t text_type(void)
{
    hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, H5T_VARIABLE);
    H5Tset_cset(type, H5T_CSET_UTF8);
    return type;
}

static hid_t space_of(int rank, const int64_t *shape)
{
    if (rank == 0)
        return H5Screate(H5S_SCALAR);
    hsize_t sizes[MAX_RANK];
    for (int i = 0; i < rank; i++)
        sizes[i] = (hsize_t)shape[i];
    return H5Screate_simple(rank, sizes, NULL);
}

/* Whole rows of about CHUNK_BYTES, shuffled and deflated; the deflate stream carries a checksum. */
static void set_chunks(hid_t list, int rank, const int64_t *shape, int64_t element_bytes)
{
    hsize_t chunk[MAX_RANK];
    int64_t room = CHUNK_BYTES / element_bytes;
    for (int i = rank - 1; i >= 0; i--) {
        int64_t size = shape[i] < room ? shape[i] : room;
        chunk[i] = (hsize_t)(size > 0 ? size : 1);
        room /= (int64_t)chunk[i];
    }
    H5Pset_chunk(list, rank, chunk);
    if (element_bytes > 1)
        H5Pset_shuffle(list);
    H5Pset_deflate(list, 1);
}

/* Makes the groups along a name, without time stamps: equal content, equal file. */
static fr_status make_groups(fr_h5 *file, const char *name)
{
    hid_t list = H5Pcreate(H5P_GROUP_CREATE);
    H5Pset_obj_track_times(list, false);
    fr_status status = FR_OK;
    for (const char *slash = strchr(name + 1, '/'); slash && status == FR_OK; slash = strchr(slash + 1, '/')) {
        char *part = fr_strndup(name, (size_t)(slash - name));
        if (!fr_h5_has(file, part)) {
            hid_t group = H5Gcreate2(file->id, part, H5P_DEFAULT, list, H5P_DEFAULT);
            if (group < 0 || H5Gclose(group) < 0)
                status = file_error(file, part, "cannot make the group");
        }
        free(part);
    }
    H5Pclose(list);
    return status;
}

/* Makes any dataset; what has this name already is unlinked first. */
static fr_status make_dataset(hid_t *set, fr_h5 *file, const char *name, hid_t stored, int rank, const int64_t *shape,
                              bool compress)
{
    FR_CHECK(file->temporary, "%s is open for reading", file->path);
    FR_CHECK(rank >= 0 && rank <= MAX_RANK, "%s has rank %d", name, rank);
    int64_t elements = 1, bytes = (int64_t)H5Tget_size(stored);
    for (int i = 0; i < rank; i++) {
        FR_CHECK(shape[i] >= 0, "%s has size %lld", name, (long long)shape[i]);
        elements *= shape[i];
    }
    if (fr_h5_has(file, name) && H5Ldelete(file->id, name, H5P_DEFAULT) < 0)
        return file_error(file, name, "cannot replace");
    FR_TRY(make_groups(file, name));
    hid_t list = H5Pcreate(H5P_DATASET_CREATE), space = space_of(rank, shape);
    H5Pset_obj_track_times(list, false);
    if (compress && rank > 0 && elements * bytes >= CHUNK_FROM)
        set_chunks(list, rank, shape, bytes);
    *set = H5Dcreate2(file->id, name, stored, space, H5P_DEFAULT, list, H5P_DEFAULT);
    fr_status status = *set < 0 ? file_error(file, name, "cannot write") : FR_OK;
    H5Sclose(space);
    H5Pclose(list);
    return status;
}

/* Closes a dataset that was written with this result. */
static fr_status end_dataset(fr_h5 *file, const char *name, hid_t set, herr_t written)
{
    fr_status status = written < 0 ? file_error(file, name, "cannot write") : FR_OK;
    if (H5Dclose(set) < 0 && status == FR_OK)
        status = file_error(file, name, "cannot write");
    return status;
}

static fr_status write_dataset(fr_h5 *file, const char *name, hid_t stored, hid_t memory, int rank,
                               const int64_t *shape, const void *data, bool compress)
{
    hid_t set = -1;
    FR_TRY(make_dataset(&set, file, name, stored, rank, shape, compress));
    bool empty = false;
    for (int i = 0; i < rank; i++)
        empty |= shape[i] == 0;
    return end_dataset(file, name, set, empty ? 0 : H5Dwrite(set, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, data));
}

fr_status fr_h5_write(fr_h5 *file, const char *name, fr_h5_type type, int rank, const int64_t *shape, const void *data)
{
    return write_dataset(file, name, type_of(type, false), native_type(type), rank, shape, data, true);
}

fr_status fr_h5_reserve(fr_h5 *file, const char *name, fr_h5_type type, int rank, const int64_t *shape)
{
    FR_CHECK(rank >= 1, "%s has no rows", name);
    hid_t set = -1;
    FR_TRY(make_dataset(&set, file, name, type_of(type, false), rank, shape, true));
    return end_dataset(file, name, set, 0);
}

fr_status fr_h5_write_texts(fr_h5 *file, const char *name, int64_t count, const char *const *text)
{
    for (int64_t i = 0; i < count; i++)
        FR_CHECK(text[i], "%s[%lld] is NULL", name, (long long)i);
    hid_t type = text_type();
    fr_status status = write_dataset(file, name, type, type, 1, &count, text, false);
    H5Tclose(type);
    return status;
}

fr_status fr_h5_write_text(fr_h5 *file, const char *name, const char *text)
{
    hid_t type = text_type();
    fr_status status = write_dataset(file, name, type, type, 0, NULL, &text, false);
    H5Tclose(type);
    return status;
}

static fr_status write_attribute(fr_h5 *file, const char *name, hid_t stored, hid_t memory, const void *value)
{
    FR_CHECK(file->temporary, "%s is open for reading", file->path);
    if (fr_h5_has_attribute(file, name))
        H5Adelete(file->id, name);
    hid_t space = H5Screate(H5S_SCALAR);
    hid_t attribute = H5Acreate2(file->id, name, stored, space, H5P_DEFAULT, H5P_DEFAULT);
    fr_status status = FR_OK;
    if (attribute < 0 || H5Awrite(attribute, memory, value) < 0)
        status = file_error(file, name, "cannot write attribute");
    if (attribute >= 0)
        H5Aclose(attribute);
    H5Sclose(space);
    return status;
}

fr_status fr_h5_set_text(fr_h5 *file, const char *attribute, const char *text)
{
    hid_t type = text_type();
    fr_status status = write_attribute(file, attribute, type, type, &text);
    H5Tclose(type);
    return status;
}

fr_status fr_h5_set_number(fr_h5 *file, const char *attribute, double value)
{
    return write_attribute(file, attribute, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, &value);
}

fr_status fr_h5_set_integer(fr_h5 *file, const char *attribute, int64_t value)
{
    return write_attribute(file, attribute, H5T_STD_I64LE, H5T_NATIVE_INT64, &value);
}

/* ---- looking around ---- */

/* Walks the name part by part, since H5Lexists fails where a parent is missing. A link into another file does not
 * count as being there: a data file must not make us read something else. */
bool fr_h5_has(fr_h5 *file, const char *name)
{
    char *part = fr_strdup(name);
    bool there = true;
    for (char *at = part; there && *at; at++) {
        if ((at[1] && at[1] != '/') || *at == '/')
            continue;
        char saved = at[1];
        at[1] = 0;
        H5L_info_t info;
        there = H5Lexists(file->id, part, H5P_DEFAULT) > 0 && H5Lget_info(file->id, part, &info, H5P_DEFAULT) >= 0 &&
                (info.type == H5L_TYPE_HARD || info.type == H5L_TYPE_SOFT) &&
                H5Oexists_by_name(file->id, part, H5P_DEFAULT) > 0;
        at[1] = saved;
    }
    free(part);
    return there;
}

bool fr_h5_has_attribute(fr_h5 *file, const char *attribute)
{
    return H5Aexists(file->id, attribute) > 0;
}

static herr_t list_visit(hid_t group, const char *name, const H5L_info_t *info, void *context)
{
    (void)group, (void)info;
    char ***end = context;
    *(*end)++ = fr_strdup(name);
    return 0;
}

fr_status fr_h5_list(fr_h5 *file, const char *group, int64_t *count, char ***name)
{
    *count = 0;
    *name = NULL;
    if (strcmp(group, "/") != 0 && !fr_h5_has(file, group))
        return FR_OK;
    hid_t id = H5Gopen2(file->id, group, H5P_DEFAULT);
    H5G_info_t info;
    if (id < 0)
        return fr_fail(FR_FAILED, "%s: %s: is not a group", file->path, group);
    fr_status status = FR_OK;
    /* A link takes more than 8 bytes of the file. */
    if (H5Gget_info(id, &info) < 0 || (int64_t)info.nlinks < 0 ||
        (!file->temporary && (int64_t)info.nlinks > file->bytes / 8)) {
        status = fr_fail(FR_FAILED, "%s: %s: damaged group", file->path, group);
    } else {
        *name = FR_NEW(char *, info.nlinks);
        char **end = *name;
        if (H5Literate(id, H5_INDEX_NAME, H5_ITER_INC, NULL, list_visit, &end) < 0)
            status = file_error(file, group, "cannot list");
        *count = end - *name;
    }
    H5Gclose(id);
    if (status != FR_OK) {
        fr_h5_texts_free(*name, *count);
        *count = 0;
        *name = NULL;
    }
    return status;
}

/* ---- reading ---- */

typedef struct opened {
    hid_t set, type, space;
    int rank;
    int64_t shape[MAX_RANK], elements;
} opened;

static void opened_close(opened *o)
{
    if (o->space >= 0)
        H5Sclose(o->space);
    if (o->type >= 0)
        H5Tclose(o->type);
    if (o->set >= 0)
        H5Dclose(o->set);
    *o = (opened){.set = -1, .type = -1, .space = -1};
}

/* The bytes the header promises must fit what the file stores: nothing is allocated on the word of a header. */
static fr_status check_storage(fr_h5 *file, const char *name, opened *o)
{
    hid_t list = H5Dget_create_plist(o->set);
    H5D_layout_t layout = H5Pget_layout(list);
    bool elsewhere = layout == H5D_VIRTUAL || (layout == H5D_CONTIGUOUS && H5Pget_external_count(list) > 0);
    H5Pclose(list);
    if (elsewhere)
        return fr_fail(FR_FAILED, "%s: %s: keeps its data in another file, which is not supported", file->path, name);
    __int128 want = (__int128)o->elements * (__int128)H5Tget_size(o->type);
    __int128 stored = (__int128)H5Dget_storage_size(o->set);
    if (!file->temporary && stored > file->bytes)
        return fr_fail(FR_FAILED, "%s: %s: claims %lld stored bytes, the file has %lld: damaged", file->path, name,
                       (long long)stored, (long long)file->bytes);
    if (want > stored * (layout == H5D_CHUNKED ? DEFLATE_RATIO : 1)) {
        char text[160], type[32];
        describe_type(type, o->type);
        describe_shape(text, sizeof text, o->rank, o->shape, type);
        return fr_fail(FR_FAILED, "%s: %s: is %s, but only %lld bytes are stored: unwritten or damaged", file->path,
                       name, text, (long long)stored);
    }
    return FR_OK;
}

static fr_status read_header(fr_h5 *file, const char *name, opened *o)
{
    *o = (opened){.set = -1, .type = -1, .space = -1};
    if (!fr_h5_has(file, name))
        return fr_fail(FR_FAILED, "%s: %s: is missing", file->path, name);
    o->set = H5Dopen2(file->id, name, H5P_DEFAULT);
    if (o->set < 0)
        return fr_fail(FR_FAILED, "%s: %s: is not a readable dataset", file->path, name);
    o->type = H5Dget_type(o->set);
    o->space = H5Dget_space(o->set);
    H5S_class_t class = o->space >= 0 ? H5Sget_simple_extent_type(o->space) : H5S_NO_CLASS;
    if (o->type < 0 || (class != H5S_SCALAR && class != H5S_SIMPLE))
        return fr_fail(FR_FAILED, "%s: %s: has no readable type and shape", file->path, name);
    o->rank = H5Sget_simple_extent_ndims(o->space);
    if (o->rank < 0 || o->rank > MAX_RANK)
        return fr_fail(FR_FAILED, "%s: %s: has %d dimensions, want at most %d", file->path, name, o->rank, MAX_RANK);
    hsize_t sizes[MAX_RANK];
    H5Sget_simple_extent_dims(o->space, sizes, NULL);
    o->elements = 1;
    for (int i = 0; i < o->rank; i++) {
        o->shape[i] = (int64_t)sizes[i];
        if (o->shape[i] < 0 || __builtin_mul_overflow(o->elements, o->shape[i], &o->elements) ||
            o->elements > INT64_MAX / 16)
            return fr_fail(FR_FAILED, "%s: %s: has an impossible shape: damaged", file->path, name);
    }
    return FR_OK;
}

static fr_status open_dataset(fr_h5 *file, const char *name, opened *o)
{
    fr_status status = read_header(file, name, o);
    if (status == FR_OK)
        status = check_storage(file, name, o);
    if (status != FR_OK)
        opened_close(o);
    return status;
}

static bool type_fits(hid_t stored, fr_h5_type type)
{
    H5T_class_t class = H5Tget_class(stored);
    return class == H5T_INTEGER || (class == H5T_FLOAT && (type == FR_H5_F32 || type == FR_H5_F64));
}

static fr_status wrong_shape(fr_h5 *file, const char *name, const opened *o, int rank, const int64_t *shape,
                             const char *type)
{
    char is[160], want[160], stored[32];
    describe_type(stored, o->type);
    describe_shape(is, sizeof is, o->rank, o->shape, stored);
    if (shape)
        describe_shape(want, sizeof want, rank, shape, type);
    else
        snprintf(want, sizeof want, "%d dimension%s of %s", rank, rank == 1 ? "" : "s", type);
    return fr_fail(FR_FAILED, "%s: %s: is %s, want %s", file->path, name, is, want);
}

/* HDF5 clamps a number that does not fit the wanted type; here that is an error. */
static H5T_conv_ret_t conversion_problem(H5T_conv_except_t problem, hid_t from, hid_t to, void *source, void *target,
                                         void *context)
{
    (void)from, (void)to, (void)source, (void)target;
    if (problem != H5T_CONV_EXCEPT_RANGE_HI && problem != H5T_CONV_EXCEPT_RANGE_LOW)
        return H5T_CONV_UNHANDLED;
    *(bool *)context = true;
    return H5T_CONV_ABORT;
}

/* Selects rows first .. first+count-1 of the file's space; returns the space of as many in memory. */
static hid_t select_rows(const opened *o, int64_t first, int64_t count)
{
    hsize_t start[MAX_RANK] = {(hsize_t)first}, sizes[MAX_RANK];
    for (int i = 0; i < o->rank; i++)
        sizes[i] = (hsize_t)(i ? o->shape[i] : count);
    H5Sselect_hyperslab(o->space, H5S_SELECT_SET, start, NULL, sizes, NULL);
    return H5Screate_simple(o->rank, sizes, NULL);
}

static fr_status check_rows(fr_h5 *file, const char *name, const opened *o, fr_h5_type type, int64_t first,
                            int64_t count)
{
    if (o->rank < 1 || !type_fits(o->type, type))
        return wrong_shape(file, name, o, o->rank < 1 ? 1 : o->rank, NULL, type_names[type]);
    if (first < 0 || count < 0 || first > o->shape[0] - count)
        return fr_fail(FR_FAILED, "%s: %s: has %lld rows, want rows %lld to %lld", file->path, name,
                       (long long)o->shape[0], (long long)first, (long long)(first + count - 1));
    return FR_OK;
}

static fr_status read_numbers(fr_h5 *file, const char *name, const opened *o, fr_h5_type type, hid_t memory,
                              hid_t selection, void *data)
{
    bool out_of_range = false;
    hid_t list = H5Pcreate(H5P_DATASET_XFER);
    H5Pset_type_conv_cb(list, conversion_problem, &out_of_range);
    fr_status status = FR_OK;
    if (H5Dread(o->set, native_type(type), memory, selection, list, data) < 0)
        status = out_of_range ? fr_fail(FR_FAILED, "%s: %s: holds a number that does not fit %s", file->path, name,
                                        type_names[type])
                              : file_error(file, name, "cannot read");
    H5Pclose(list);
    return status;
}

fr_status fr_h5_shape(fr_h5 *file, const char *name, int *rank, int64_t shape[8])
{
    opened o;
    FR_TRY(open_dataset(file, name, &o));
    *rank = o.rank;
    memcpy(shape, o.shape, sizeof o.shape);
    opened_close(&o);
    return FR_OK;
}

fr_status fr_h5_read(fr_h5 *file, const char *name, fr_h5_type type, int rank, const int64_t *shape, void *data)
{
    opened o;
    FR_TRY(open_dataset(file, name, &o));
    fr_status status = FR_OK;
    if (o.rank != rank || (rank && memcmp(o.shape, shape, (size_t)rank * sizeof *shape) != 0) ||
        !type_fits(o.type, type))
        status = wrong_shape(file, name, &o, rank, shape ? shape : o.shape, type_names[type]);
    else if (o.elements > 0)
        status = read_numbers(file, name, &o, type, H5S_ALL, H5S_ALL, data);
    opened_close(&o);
    return status;
}

fr_status fr_h5_read_rows(fr_h5 *file, const char *name, fr_h5_type type, int64_t first, int64_t count, void *data)
{
    opened o;
    FR_TRY(open_dataset(file, name, &o));
    fr_status status = check_rows(file, name, &o, type, first, count);
    if (status == FR_OK && count > 0 && o.elements > 0) {
        hid_t memory = select_rows(&o, first, count);
        status = read_numbers(file, name, &o, type, memory, o.space, data);
        H5Sclose(memory);
    }
    opened_close(&o);
    return status;
}

fr_status fr_h5_write_rows(fr_h5 *file, const char *name, fr_h5_type type, int64_t first, int64_t count,
                           const void *data)
{
    FR_CHECK(file->temporary, "%s is open for reading", file->path);
    opened o;
    fr_status status = read_header(file, name, &o);
    if (status == FR_OK)
        status = check_rows(file, name, &o, type, first, count);
    if (status == FR_OK && count > 0 && o.elements > 0) {
        hid_t memory = select_rows(&o, first, count);
        if (H5Dwrite(o.set, native_type(type), memory, o.space, H5P_DEFAULT, data) < 0)
            status = file_error(file, name, "cannot write");
        H5Sclose(memory);
    }
    opened_close(&o);
    return status;
}

fr_status fr_h5_read_new(fr_h5 *file, const char *name, fr_h5_type type, int rank, int64_t *shape, void **data)
{
    *data = NULL;
    opened o;
    FR_TRY(open_dataset(file, name, &o));
    fr_status status = FR_OK;
    if (o.rank != rank || !type_fits(o.type, type)) {
        status = wrong_shape(file, name, &o, rank, NULL, type_names[type]);
    } else {
        if (rank)
            memcpy(shape, o.shape, (size_t)rank * sizeof *shape);
        *data = fr_calloc((size_t)o.elements, H5Tget_size(native_type(type)));
        if (o.elements > 0)
            status = read_numbers(file, name, &o, type, H5S_ALL, H5S_ALL, *data);
    }
    opened_close(&o);
    if (status != FR_OK) {
        free(*data);
        *data = NULL;
    }
    return status;
}

/* ---- reading strings ---- */

/* HDF5 allocates variable-length strings through these: none can be longer than the file. */
static void *text_alloc(size_t bytes, void *context)
{
    const fr_h5 *file = context;
    return !file->temporary && (int64_t)bytes > file->bytes ? NULL : malloc(bytes ? bytes : 1);
}

static void text_free(void *memory, void *context)
{
    (void)context;
    free(memory);
}

/* Fixed-length strings are padded by NULs or by spaces. */
static char *fixed_text(const char *data, size_t bytes, H5T_str_t padding)
{
    const char *nul = padding == H5T_STR_SPACEPAD ? NULL : memchr(data, 0, bytes);
    if (nul)
        bytes = (size_t)(nul - data);
    while (padding == H5T_STR_SPACEPAD && bytes > 0 && data[bytes - 1] == ' ')
        bytes--;
    return fr_strndup(data, bytes);
}

/* text[0 .. count-1] from a dataset (set >= 0) or an attribute (of one string); `type` is the stored one, so that the
 * character set and the padding agree and nothing is converted. */
static bool read_strings(fr_h5 *file, hid_t set, hid_t attribute, hid_t type, int64_t count, char **text)
{
    if (count == 0)
        return true;
    bool good;
    bool variable = H5Tis_variable_str(type) > 0;
    if (variable && set >= 0) {
        hid_t list = H5Pcreate(H5P_DATASET_XFER);
        H5Pset_vlen_mem_manager(list, text_alloc, file, text_free, NULL);
        good = H5Dread(set, type, H5S_ALL, H5S_ALL, list, text) >= 0;
        H5Pclose(list);
        for (int64_t i = 0; good && i < count; i++)
            if (!text[i])
                text[i] = fr_strdup("");
        return good;
    }
    if (variable) { /* of an attribute: one string, allocated by HDF5 */
        char *one = NULL;
        good = H5Aread(attribute, type, &one) >= 0;
        if (good)
            text[0] = fr_strdup(one ? one : "");
        H5free_memory(one);
        return good;
    }
    size_t bytes = H5Tget_size(type);
    char *block = fr_calloc((size_t)count, bytes);
    good = (set >= 0 ? H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, block) : H5Aread(attribute, type, block)) >= 0;
    for (int64_t i = 0; good && i < count; i++)
        text[i] = fixed_text(block + (size_t)i * bytes, bytes, H5Tget_strpad(type));
    free(block);
    return good;
}

/* Strings of another program's file, before HDF5 follows their references. */
static fr_status check_references(fr_h5 *file, const char *name, const opened *o)
{
    size_t address_bytes = 0, size_bytes = 0;
    hsize_t base = 0;
    if (file->verified || file->temporary || H5Tis_variable_str(o->type) <= 0)
        return FR_OK;
    hid_t list = H5Fget_create_plist(file->id);
    H5Pget_sizes(list, &address_bytes, &size_bytes);
    H5Pget_userblock(list, &base);
    H5Pclose(list);
    haddr_t offset = H5Dget_offset(o->set);
    if (offset == HADDR_UNDEF || address_bytes != 8 || size_bytes != 8)
        return FR_OK; /* chunked, or of an unusual build of HDF5: left to HDF5 */
    return fr_h5_heap_check_references(file->path, name, (int64_t)base, (int64_t)offset, o->elements);
}

static fr_status read_texts(fr_h5 *file, const char *name, int rank, int64_t *count, char ***text)
{
    *count = 0;
    *text = NULL;
    opened o;
    FR_TRY(open_dataset(file, name, &o));
    fr_status status = FR_OK;
    if (o.rank != rank || H5Tget_class(o.type) != H5T_STRING) {
        status = wrong_shape(file, name, &o, rank, rank ? NULL : o.shape, "string");
    } else if ((status = check_references(file, name, &o)) == FR_OK) {
        *count = o.elements;
        *text = FR_NEW(char *, o.elements);
        if (!read_strings(file, o.set, -1, o.type, o.elements, *text))
            status = file_error(file, name, "cannot read");
    }
    opened_close(&o);
    if (status != FR_OK) {
        fr_h5_texts_free(*text, *count);
        *count = 0;
        *text = NULL;
    }
    return status;
}

fr_status fr_h5_read_texts(fr_h5 *file, const char *name, int64_t *count, char ***text)
{
    return read_texts(file, name, 1, count, text);
}

void fr_h5_texts_free(char **text, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        free(text[i]);
    free(text);
}

fr_status fr_h5_read_text(fr_h5 *file, const char *name, char **text)
{
    *text = NULL;
    int64_t count;
    char **one;
    FR_TRY(read_texts(file, name, 0, &count, &one));
    *text = one[0];
    free(one);
    return FR_OK;
}

/* ---- attributes ---- */

typedef enum wanted { WANT_TEXT, WANT_REAL, WANT_INTEGER } wanted;

static fr_status read_attribute(fr_h5 *file, const char *name, wanted want, void *value)
{
    static const char *const words[] = {"string", "number", "integer"};
    if (!fr_h5_has_attribute(file, name))
        return fr_fail(FR_FAILED, "%s: attribute %s: is missing", file->path, name);
    hid_t attribute = H5Aopen(file->id, name, H5P_DEFAULT), type = -1, space = -1;
    if (attribute >= 0) {
        type = H5Aget_type(attribute);
        space = H5Aget_space(attribute);
    }
    H5T_class_t class = type >= 0 ? H5Tget_class(type) : H5T_NO_CLASS;
    bool fits =
        space >= 0 && H5Sget_simple_extent_npoints(space) == 1 &&
        (want == WANT_TEXT ? class == H5T_STRING : class == H5T_INTEGER || (want == WANT_REAL && class == H5T_FLOAT));
    fr_status status = FR_OK;
    if (!fits)
        status = fr_fail(FR_FAILED, "%s: attribute %s: want one %s", file->path, name, words[want]);
    else if (want == WANT_TEXT
                 ? !read_strings(file, -1, attribute, type, 1, value)
                 : H5Aread(attribute, want == WANT_REAL ? H5T_NATIVE_DOUBLE : H5T_NATIVE_INT64, value) < 0)
        status = file_error(file, name, "cannot read attribute");
    if (space >= 0)
        H5Sclose(space);
    if (type >= 0)
        H5Tclose(type);
    if (attribute >= 0)
        H5Aclose(attribute);
    return status;
}

fr_status fr_h5_get_text(fr_h5 *file, const char *attribute, char **text)
{
    *text = NULL;
    return read_attribute(file, attribute, WANT_TEXT, text);
}

fr_status fr_h5_get_number(fr_h5 *file, const char *attribute, double *value)
{
    return read_attribute(file, attribute, WANT_REAL, value);
}

fr_status fr_h5_get_integer(fr_h5 *file, const char *attribute, int64_t *value)
{
    return read_attribute(file, attribute, WANT_INTEGER, value);
}
