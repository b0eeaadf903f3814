# From what epoll tells to the handles of a loop; included by _native.pyx. asyncio does the same in two passes of Python
# for every descriptor, which is a good part of what a short message costs.

cdef enum:
    _EPOLLIN = 0x001  # Linux, sys/epoll.h; selectors.EpollSelector exists nowhere else
    _EPOLLOUT = 0x004
    _KEY_EVENTS = 2  # fields of selectors.SelectorKey: fileobj, fd, events, data
    _KEY_DATA = 3
    _WANTS_READ = 1  # selectors.EVENT_READ
    _WANTS_WRITE = 2


def take_arrivals(list told not None, keys, ready, loop):
    cdef int mask, wanted
    put = ready.append
    for item in told:
        key = keys.get((<tuple>item)[0])
        if key is None:
            continue
        mask = (<tuple>item)[1]
        wanted = (<tuple>key)[_KEY_EVENTS]
        reader, writer = (<tuple>key)[_KEY_DATA]
        # An error or a hang-up is news for both.
        if wanted & _WANTS_READ and mask & ~_EPOLLOUT and reader is not None:
            if reader._cancelled:
                loop._remove_reader(key.fileobj)
            else:
                put(reader)
        if wanted & _WANTS_WRITE and mask & ~_EPOLLIN and writer is not None:
            if writer._cancelled:
                loop._remove_writer(key.fileobj)
            else:
                put(writer)
