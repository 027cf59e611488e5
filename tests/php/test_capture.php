<?php
/** When a cart is kept, and what Cartwheel is told of it. */

function fill( $pieces = 2, $id = 12, $price = 64.5 ) {
	World::$now->products[ $id ] = isset( World::$now->products[ $id ] ) ? World::$now->products[ $id ] : new WC_Product( $id, $price );
	WC()->cart->add_to_cart( $id, $pieces, 0, array() );
}

function type_address( $email, $consent = null ) {
	$_POST = array( 'nonce' => 'good', 'email' => $email, 'source' => 'classic' );
	if ( null !== $consent ) {
		$_POST['consent'] = $consent ? '1' : '0';
	}
	$end = ended(
		function () {
			do_action( 'wc_ajax_cartwheel_capture' );
		}
	);
	Site::end();
	return $end->status;
}

function row() {
	global $wpdb;
	$tokens = array_keys( $wpdb->rows );
	return $tokens ? Cartwheel_Checkouts::find( end( $tokens ) ) : null;
}

function rows() {
	global $wpdb;
	return count( $wpdb->rows );
}

function test_a_typed_address_keeps_the_cart_and_tells_once() {
	fill();
	same( 200, type_address( ' Alice@Example.com ' ) );
	same( 'alice@example.com', row()['email'] );
	same( 'open', row()['status'] );
	same( array( '129.00', '134.00', 'EUR' ), array( row()['cart']['subtotal'], row()['cart']['total'], row()['cart']['currency'] ) );
	same( array( row()['token'] ), World::actions( 'cartwheel_checkout_created' ) );
	type_address( 'alice@example.com' );
	same( 1, rows() );
	same( array(), World::actions( 'cartwheel_checkout_updated' ), 'nothing changed' );
}

function test_what_the_hook_carries_is_a_token_and_nothing_else() {
	fill();
	type_address( 'alice@example.com' );
	holds( Cartwheel_Checkouts::is_token( World::actions( 'cartwheel_checkout_created' )[0] ) );
	holds( Cartwheel_Checkouts::new_token() !== Cartwheel_Checkouts::new_token() );
}

function test_no_address_and_no_cart_keep_nothing() {
	type_address( 'alice@example.com' );
	same( 0, rows(), 'an empty cart' );
	fill();
	Site::end();
	foreach ( array( '', 'alice', 'alice@', str_repeat( 'a', 250 ) . '@example.com' ) as $email ) {
		same( 200, type_address( $email ) );
	}
	$_POST = array( 'nonce' => 'good', 'email' => array( 'alice@example.com' ) );
	ended( array( 'Cartwheel_Capture', 'hear_script' ) );
	Site::end();
	same( 0, rows() );
}

function test_the_cart_of_somebody_unknown_is_not_even_looked_at() {
	$looked = 0;
	add_filter(
		'cartwheel_cart_item',
		function ( $item ) use ( &$looked ) {
			++$looked;
			return $item;
		}
	);
	fill();
	Site::end();
	same( array( 0, 0 ), array( $looked, rows() ) );
	type_address( 'alice@example.com' );
	same( array( 1, 1 ), array( $looked, rows() ) );
}

function test_a_stranger_without_the_nonce_is_refused() {
	fill();
	$_POST = array( 'nonce' => 'bad', 'email' => 'alice@example.com' );
	same( 403, ended( array( 'Cartwheel_Capture', 'hear_script' ) )->status );
	Site::end();
	same( 0, rows() );
}

function test_too_many_calls_of_a_minute_are_refused() {
	fill();
	$refused = 0;
	for ( $call = 0; $call < 2 * Cartwheel_Capture::MOST_CALLS + 1; $call++ ) {
		$refused += 429 === type_address( 'alice@example.com' ) ? 1 : 0;
	}
	holds( $refused > 0 && $refused <= Cartwheel_Capture::MOST_CALLS + 1 );
	holds( false === strpos( json_encode( World::$now->transients ), '192.0.2.7' ), 'the address itself is not kept' );
}

function test_the_block_checkout_is_heard_field_by_field() {
	fill();
	Site::$customer->email      = 'Alice@example.com';
	Site::$customer->first_name = 'Alice';
	do_action( 'woocommerce_store_api_cart_update_customer_from_request', Site::$customer, null );
	Site::end();
	same( array( 'alice@example.com', 'Alice', 'block', false ), array( row()['email'], row()['first_name'], row()['source'], row()['consent'] ) );
	do_action( 'woocommerce_set_additional_field_value', 'cartwheel/marketing-consent', true, 'contact', null );
	Site::end();
	same( array( true, 'E-mail me news and offers' ), array( row()['consent'], row()['consent_text'] ) );
	do_action( 'woocommerce_set_additional_field_value', 'somebody/else', false, 'contact', null );
	Site::end();
	same( true, row()['consent'] );
}

function test_the_classic_checkout_is_heard_when_it_speaks() {
	fill();
	do_action( 'woocommerce_checkout_update_order_review', 'billing_country=PT&billing_email=' );
	Site::end();
	same( 0, rows() );
	do_action( 'woocommerce_checkout_update_order_review', 'billing_email=alice%40example.com&billing_first_name=Alice&billing_country=PT&cartwheel_marketing_consent=1' );
	Site::end();
	same( array( 'Alice', 'PT', true, 'classic' ), array( row()['first_name'], row()['country'], row()['consent'], row()['source'] ) );
}

function test_the_tick_is_kept_with_its_time_and_words_and_taken_back_with_them() {
	World::$now->options['cartwheel_settings'] = array( 'consent_text' => 'Schreibt mir, bitte' );
	fill();
	type_address( 'alice@example.com', true );
	same( 'Schreibt mir, bitte', row()['consent_text'] );
	holds( abs( strtotime( row()['consent_at'] . ' UTC' ) - time() ) < 60 );
	$at = row()['consent_at'];
	type_address( 'alice@example.org', true );
	same( $at, row()['consent_at'], 'the first tick counts' );
	type_address( 'alice@example.org', false );
	same( array( false, null, null ), array( row()['consent'], row()['consent_at'], row()['consent_text'] ) );
}

function test_a_changed_and_an_emptied_cart_are_told() {
	fill();
	type_address( 'alice@example.com' );
	fill( 1, 13, 10 );
	Site::end();
	same( 2, count( row()['cart']['items'] ) );
	same( 1, count( World::actions( 'cartwheel_checkout_updated' ) ) );
	WC()->cart->empty_cart();
	Site::end();
	same( array( 'emptied', array() ), array( row()['status'], row()['cart']['items'] ) );
	fill();
	Site::end();
	same( array( 'open', 1 ), array( row()['status'], rows() ) );
}

function test_an_order_carries_the_token_and_ends_the_episode() {
	fill();
	type_address( 'alice@example.com', true );
	$token = row()['token'];
	$order = new WC_Order( 77, 'alice@example.com' );
	do_action( 'woocommerce_checkout_order_processed', 77, array(), $order );
	Site::end();
	same( $token, $order->meta['_cartwheel_checkout_token'] );
	holds( $order->saved > 0 );
	same( array( 'completed', 77, 1 ), array( row()['status'], row()['order_id'], count( row()['cart']['items'] ) ) );
	same( array( $token ), World::actions( 'cartwheel_checkout_updated' ) );
}

function test_a_bought_cart_that_waits_for_the_bank_is_not_begun_anew() {
	fill();
	World::$now->user_id   = 5;
	Site::$customer->email = 'alice@example.com';
	do_action( 'woocommerce_cart_updated' );
	Site::end();
	same( array( 'account', 5 ), array( row()['source'], row()['user_id'] ) );
	do_action( 'woocommerce_store_api_checkout_order_processed', new WC_Order( 78, 'alice@example.com' ) );
	Site::end();
	do_action( 'woocommerce_cart_updated' );
	Site::end();
	same( array( 1, 'completed' ), array( rows(), row()['status'] ), 'looking at the cart meanwhile' );
	WC()->cart->empty_cart();
	Site::end();
	same( array( 1, 'completed' ), array( rows(), row()['status'] ), 'the shop empties it when it is paid' );
	fill( 1, 13, 10 );
	Site::end();
	same( array( 2, 'open' ), array( rows(), row()['status'] ), 'the next cart is another episode' );
}

function test_an_order_of_somebody_quick_begins_and_ends_its_episode() {
	fill();
	World::$now->user_id   = 5;
	Site::$customer->email = 'alice@example.com';
	$order                 = new WC_Order( 79, 'alice@example.com' );
	do_action( 'woocommerce_checkout_order_processed', 79, array(), $order );
	Site::end();
	same( array( 'completed', 1, 'classic' ), array( row()['status'], rows(), row()['source'] ) );
	same( row()['token'], $order->meta['_cartwheel_checkout_token'] );
	do_action( 'woocommerce_cart_updated' );
	Site::end();
	same( array( 'completed', 1 ), array( row()['status'], rows() ), 'nothing was left' );
}

function test_an_order_whose_cart_may_not_be_kept_is_left_alone() {
	World::$now->options['cartwheel_settings'] = array( 'capture' => 'agreed' );
	fill();
	$order = new WC_Order( 79, 'alice@example.com' );
	do_action( 'woocommerce_checkout_order_processed', 79, array(), $order );
	Site::end();
	same( array( array(), 0, 0 ), array( $order->meta, $order->saved, rows() ) );
}

function test_the_tick_of_the_last_moment_counts() {
	fill();
	type_address( 'alice@example.com', false );
	$order       = new WC_Order( 81, 'alice@example.com' );
	$order->meta = array( '_wc_other/cartwheel/marketing-consent' => '1' );
	do_action( 'woocommerce_store_api_checkout_order_processed', $order );
	Site::end();
	same( array( true, 'completed' ), array( row()['consent'], row()['status'] ) );
}

function test_a_shop_may_keep_carts_only_with_consent() {
	World::$now->options['cartwheel_settings'] = array( 'capture' => 'agreed' );
	fill();
	type_address( 'alice@example.com', false );
	same( 0, rows() );
	type_address( 'alice@example.com', true );
	$token = row()['token'];
	same( 1, rows() );
	type_address( 'alice@example.com', false );
	same( 0, rows(), 'taken back' );
	same( array( $token ), World::actions( 'cartwheel_checkout_deleted' ) );
}

function test_a_shop_may_keep_carts_of_accounts_only() {
	World::$now->options['cartwheel_settings'] = array( 'capture' => 'account' );
	fill();
	type_address( 'alice@example.com', true );
	same( 0, rows() );
	World::$now->user_id = 5;
	type_address( 'alice@example.com', true );
	same( 1, rows() );
}

function test_a_shop_may_decide_by_its_own_rule() {
	add_filter(
		'cartwheel_may_keep_cart',
		function ( $may, $row ) {
			return $may && 'alice@example.com' !== $row['email'];
		},
		10,
		2
	);
	fill();
	type_address( 'alice@example.com' );
	same( 0, rows() );
}

function test_a_database_that_refuses_is_not_told_of() {
	global $wpdb;
	$wpdb->works = false;
	fill();
	type_address( 'alice@example.com' );
	same( array(), World::actions( 'cartwheel_checkout_created' ) );
}

function test_old_carts_are_forgotten() {
	global $wpdb;
	fill();
	type_address( 'alice@example.com' );
	$wpdb->age( row()['token'], 29 );
	Cartwheel_Install::prune();
	same( 1, rows() );
	$wpdb->age( row()['token'], 31 );
	Cartwheel_Install::prune();
	same( 0, rows() );
}
