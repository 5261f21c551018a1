#pragma once

#include <backstay/data_source.hpp>
#include <backstay/engine.hpp>

#include <memory>
#include <string>
#include <vector>

namespace backstay
{

/// Something to save: ours by kind and options, or a host's DataSource. Serves one job at a time.
class Source
{
public:
    static Source tree(Engine& engine, const Options& options)
    {
        return open(engine, options, backstay_source_open_tree);
    }
    static Source tree(Engine& engine, const std::string& path)
    {
        Options options("source.tree");
        options.add("path", path);
        return tree(engine, options);
    }
    static Source stream(Engine& engine, const Options& options)
    {
        return open(engine, options, backstay_source_open_stream);
    }
    static Source command(Engine& engine, const Options& options)
    {
        return open(engine, options, backstay_source_open_command);
    }
    static Source archive(Engine& engine, const Options& options)
    {
        return open(engine, options, backstay_source_open_archive);
    }
    static Source postgres(Engine& engine, const Options& options)
    {
        return open(engine, options, backstay_source_open_postgres);
    }

    /// A host's. The source keeps it.
    static Source host(Engine& engine, std::shared_ptr<DataSource> source)
    {
        auto held = std::make_unique<detail::HeldSource>();
        held->source = std::move(source);
        const backstay_source_vtable table = detail::source_table();
        backstay_source* handle = nullptr;
        detail::Failure failure;
        // From here on the library destroys it, on failure too.
        const backstay_status status =
            backstay_source_new(engine.get(), &table, held.release(), &handle, failure.out());
        detail::check(status, failure);
        return Source(handle);
    }

    Record probe(const Cancel* cancel = nullptr) const
    {
        backstay_record* record = nullptr;
        detail::Failure failure;
        detail::check(backstay_source_probe(get(), detail::get(cancel), &record, failure.out()),
                      failure);
        return Record(record);
    }
    backstay_source* get() const { return source_.get(); }

private:
    explicit Source(backstay_source* source) : source_(source) {}
    struct Free {
        void operator()(backstay_source* source) const noexcept { backstay_source_free(source); }
    };
    template <typename Open>
    static Source open(Engine& engine, const Options& options, Open* call)
    {
        backstay_source* source = nullptr;
        detail::Failure failure;
        detail::check(call(engine.get(), options.get(), &source, failure.out()), failure);
        return Source(source);
    }
    std::unique_ptr<backstay_source, Free> source_;
};

} // namespace backstay
