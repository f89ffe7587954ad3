-- For every user 20 bookings and 20 notifications, and 200,000 analytics events over the last 40 days.
SELECT setseed(0.42);

-- Day by day, so that one user's rows are as scattered over the table as they would be.
INSERT INTO bookings (user_id, title, start_time, end_time, status, created_at, updated_at)
SELECT id, 'Meeting ' || day || ' of ' || name, starts_at, starts_at + interval '30 minutes',
       CASE WHEN day % 10 = 0 THEN 'cancelled' ELSE 'confirmed' END, made_at, made_at
FROM generate_series(1, 20) day CROSS JOIN users
CROSS JOIN LATERAL (SELECT date_trunc('hour', now()) + make_interval(days => day, hours => (id % 8)::int) starts_at,
                           now() - make_interval(days => 21 - day) made_at) moments
ORDER BY day, id;

-- The newest eight are unread.
INSERT INTO notifications (user_id, type, title, message, is_read, metadata, created_at)
SELECT id, 'BOOKING_CONFIRMED', 'Booking confirmed', 'Your booking “Meeting ' || day || ' of ' || name || '” is confirmed.',
       day <= 12, jsonb_build_object('booking_id', (day - 1) * 1000 + id), now() - make_interval(days => 21 - day)
FROM generate_series(1, 20) day CROSS JOIN users ORDER BY day, id;

-- Ten types of uneven weight; one event in twenty is nobody's.
INSERT INTO analytics_events (user_id, event_type, metadata, created_at)
SELECT CASE WHEN random() < 0.05 THEN NULL ELSE 1 + floor(random() * 1000)::int END,
       (ARRAY['PAGE_VIEW', 'PAGE_VIEW', 'PAGE_VIEW', 'PAGE_VIEW', 'LOGIN', 'LOGIN', 'BOOKING_CREATED', 'BOOKING_CREATED',
              'BOOKING_VIEWED', 'BOOKING_UPDATED', 'BOOKING_CANCELLED', 'SEARCH', 'ORGANIZATION_CREATED',
              'PROFILE_UPDATED', 'NOTIFICATION_READ'])[1 + floor(random() * 15)::int],
       jsonb_build_object('page', '/p/' || i % 50, 'device', CASE WHEN i % 3 = 0 THEN 'mobile' ELSE 'desktop' END),
       now() - make_interval(secs => (200000 - i) * 17.28)
FROM generate_series(1, 200000) i;
