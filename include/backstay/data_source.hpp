#pragma once

#include <backstay/record.hpp>

#include <cstring>
#include <exception>
#include <memory>
#include <optional>
#include <string>

namespace backstay
{

/// What a callback of a DataSource can ask and tell. Only while the call lasts.
class Callback
{
public:
    explicit Callback(backstay_callback* callback) : callback_(callback) {}
    bool is_cancelled() const { return backstay_callback_is_cancelled(callback_) != 0; }
    /// Readable when cancelled.
    int cancel_descriptor() const { return backstay_callback_cancel_descriptor(callback_); }
    /// Something in the way of one entry: reported and counted; the backup goes on.
    void problem(backstay_status status, const std::string& path, const std::string& message) const
    {
        backstay_callback_problem(callback_, status, path.data(), path.size(), message.data(),
                                  message.size());
    }
    /// The parent's entry of that path: its change token, for one; borrowed until the call ends.
    std::optional<backstay_entry> parent_entry(const std::string& path) const
    {
        backstay_entry entry{};
        entry.struct_size = sizeof entry;
        const backstay_status status =
            backstay_callback_parent_lookup(callback_, path.data(), path.size(), &entry);
        return status == BACKSTAY_OK ? std::optional<backstay_entry>(entry) : std::nullopt;
    }
    backstay_callback* get() const { return callback_; }

private:
    backstay_callback* callback_;
};

/// A host derives from it to save what is its own. Lanes are drained side by side, each by one
/// thread at a time; see the header of the C ABI for the life of a session. Whatever an override
/// throws ends the call it was in; an Error comes out of the job as it was.
class DataSource
{
public:
    virtual ~DataSource() = default;
    /// Lanes are 1 unless set.
    virtual void open(Callback&, backstay_view* /*parent, or null*/, backstay_session&) {}
    /// Fills the lane's next entry; false at its end. Pointers in it stay valid until the next call
    /// on that lane.
    virtual bool next(Callback&, std::uint32_t lane, backstay_entry& out) = 0;
    /// Bytes of an entry; 0 at its end.
    virtual std::size_t read(Callback&, std::uint32_t lane, std::uint64_t item,
                             std::uint64_t offset, std::uint8_t* buffer, std::size_t size) = 0;
    /// Of a sparse entry: the next stretch of data; false: a hole to the end.
    virtual bool next_data(Callback&, std::uint32_t, std::uint64_t, std::uint64_t,
                           std::uint64_t& /*begin*/, std::uint64_t& /*end*/)
    {
        return false;
    }
    virtual void release(std::uint32_t, std::uint64_t) {}
    virtual void finish(Callback&, backstay_verdict& out) { out.verdict = BACKSTAY_VERDICT_OK; }
    virtual void settle(Callback&, bool /*committed*/) {}
};

namespace detail
{

struct HeldSource {
    std::shared_ptr<DataSource> source;
};

/// Runs a host's code; nothing may unwind into C.
template <typename Body>
backstay_status guard(backstay_callback* callback, Body&& body) noexcept
{
    try {
        return body();
    } catch (const Error& error) {
        return backstay_callback_fail(callback, error.status(), error.what(),
                                      std::strlen(error.what()), error.host_tag());
    } catch (const std::exception& error) {
        return backstay_callback_fail(callback, BACKSTAY_E_HOST, error.what(),
                                      std::strlen(error.what()), 0);
    } catch (...) {
        return backstay_callback_fail(callback, BACKSTAY_E_HOST, "unknown exception", BACKSTAY_NUL,
                                      0);
    }
}

inline DataSource& source_of(void* self)
{
    return *static_cast<HeldSource*>(self)->source;
}

inline backstay_source_vtable source_table()
{
    backstay_source_vtable table{};
    table.struct_size = sizeof table;
    table.open = [](void* self, backstay_callback* c, backstay_view* parent,
                    backstay_session* out) {
        return guard(c, [&] {
            out->lane_count = 1;
            Callback callback(c);
            source_of(self).open(callback, parent, *out);
            return BACKSTAY_OK;
        });
    };
    table.next = [](void* self, backstay_callback* c, std::uint32_t lane, backstay_entry* out) {
        return guard(c, [&] {
            Callback callback(c);
            return source_of(self).next(callback, lane, *out) ? BACKSTAY_OK : BACKSTAY_DONE;
        });
    };
    table.read = [](void* self, backstay_callback* c, std::uint32_t lane, std::uint64_t item,
                    std::uint64_t offset, std::uint8_t* buffer, std::size_t size,
                    std::size_t* got) {
        return guard(c, [&] {
            Callback callback(c);
            *got = source_of(self).read(callback, lane, item, offset, buffer, size);
            return BACKSTAY_OK;
        });
    };
    table.next_data = [](void* self, backstay_callback* c, std::uint32_t lane, std::uint64_t item,
                         std::uint64_t offset, std::uint64_t* begin, std::uint64_t* end) {
        return guard(c, [&] {
            Callback callback(c);
            return source_of(self).next_data(callback, lane, item, offset, *begin, *end)
                       ? BACKSTAY_OK
                       : BACKSTAY_DONE;
        });
    };
    table.release = [](void* self, std::uint32_t lane, std::uint64_t item) {
        source_of(self).release(lane, item);
    };
    table.finish = [](void* self, backstay_callback* c, backstay_verdict* out) {
        return guard(c, [&] {
            Callback callback(c);
            source_of(self).finish(callback, *out);
            return BACKSTAY_OK;
        });
    };
    table.settle = [](void* self, backstay_callback* c, std::int32_t committed) {
        return guard(c, [&] {
            Callback callback(c);
            source_of(self).settle(callback, committed != 0);
            return BACKSTAY_OK;
        });
    };
    table.destroy = [](void* self) { delete static_cast<HeldSource*>(self); };
    return table;
}

} // namespace detail
} // namespace backstay
