#include "store/object_store.hpp"
