<?php
/**
 * What WordPress can show and erase of a person, and what the shop can tell about us in its privacy policy.
 *
 * @package Cartwheel
 */

defined( 'ABSPATH' ) || exit;

/**
 * Registers the exporter, the eraser and the suggested text.
 */
final class Cartwheel_Privacy {

	const PAGE = 50; // Carts at a time.

	/**
	 * Hooks in.
	 */
	public static function init() {
		add_filter( 'wp_privacy_personal_data_exporters', array( __CLASS__, 'add_exporter' ) );
		add_filter( 'wp_privacy_personal_data_erasers', array( __CLASS__, 'add_eraser' ) );
		add_action( 'admin_init', array( __CLASS__, 'suggest_text' ) );
	}

	/**
	 * Adds the exporter.
	 *
	 * @param array $exporters WordPress'.
	 * @return array
	 */
	public static function add_exporter( $exporters ) {
		$exporters['cartwheel'] = array(
			'exporter_friendly_name' => __( 'Cartwheel: carts', 'cartwheel' ),
			'callback'               => array( __CLASS__, 'export' ),
		);
		return $exporters;
	}

	/**
	 * Adds the eraser.
	 *
	 * @param array $erasers WordPress'.
	 * @return array
	 */
	public static function add_eraser( $erasers ) {
		$erasers['cartwheel'] = array(
			'eraser_friendly_name' => __( 'Cartwheel: carts', 'cartwheel' ),
			'callback'             => array( __CLASS__, 'erase' ),
		);
		return $erasers;
	}

	/**
	 * Shows what is kept of an address.
	 *
	 * @param string $email The address.
	 * @param int    $page  From 1.
	 * @return array data, done.
	 */
	public static function export( $email, $page = 1 ) {
		$rows = Cartwheel_Checkouts::of_email( $email, self::PAGE, ( max( 1, (int) $page ) - 1 ) * self::PAGE );
		return array(
			'data' => array_map( array( __CLASS__, 'show' ), $rows ),
			'done' => count( $rows ) < self::PAGE,
		);
	}

	/**
	 * Erases what is kept of an address, and tells Cartwheel, by a hash, to do the same. It is told also where nothing is
	 * kept here: Cartwheel keeps longer.
	 *
	 * @param string $email The address.
	 * @param int    $page  From 1; not needed, because what was shown first is gone by then.
	 * @return array items_removed, items_retained, messages, done.
	 */
	public static function erase( $email, $page = 1 ) {
		$rows = Cartwheel_Checkouts::of_email( $email, self::PAGE );
		foreach ( $rows as $row ) {
			Cartwheel_Checkouts::delete( $row['token'] );
		}
		$is_done = count( $rows ) < self::PAGE;
		if ( $is_done ) {
			do_action( 'cartwheel_shopper_deleted', hash( 'sha256', Cartwheel_Checkouts::normalise_email( $email ) ) );
		}
		return array(
			'items_removed'  => count( $rows ) > 0,
			'items_retained' => false,
			'messages'       => array(),
			'done'           => $is_done,
		);
	}

	/**
	 * Suggests a paragraph for the shop's privacy policy.
	 */
	public static function suggest_text() {
		if ( ! function_exists( 'wp_add_privacy_policy_content' ) ) {
			return;
		}
		$text = sprintf(
			/* translators: %d: a number of days. */
			__( 'When you type your e-mail address at the checkout, we keep it together with your cart for %d days, so that you can come back to it. If you agree to it, we e-mail you about it and about news and offers; every such e-mail has a link to stop them.', 'cartwheel' ),
			Cartwheel_Settings::get( 'keep_days' )
		);
		wp_add_privacy_policy_content( 'Cartwheel', '<p>' . esc_html( $text ) . '</p>' );
	}

	/**
	 * Writes one cart for the export.
	 *
	 * @param array $row The row.
	 * @return array
	 */
	private static function show( array $row ) {
		$items = array();
		foreach ( $row['cart']['items'] as $item ) {
			$items[] = $item['quantity'] . ' x ' . $item['name'];
		}
		$facts = array(
			__( 'E-mail address', 'cartwheel' )    => $row['email'],
			__( 'Name', 'cartwheel' )              => trim( $row['first_name'] . ' ' . $row['last_name'] ),
			__( 'Country', 'cartwheel' )           => $row['country'],
			__( 'Language', 'cartwheel' )          => $row['locale'],
			__( 'Cart', 'cartwheel' )              => implode( ', ', $items ),
			__( 'Total', 'cartwheel' )             => $row['cart']['total'] . ' ' . $row['cart']['currency'],
			__( 'State', 'cartwheel' )             => $row['status'],
			__( 'Order', 'cartwheel' )             => $row['order_id'] ? (string) $row['order_id'] : '',
			__( 'Begun (UTC)', 'cartwheel' )       => $row['created_at'],
			__( 'Last changed (UTC)', 'cartwheel' ) => $row['updated_at'],
			__( 'Agreed to mail (UTC)', 'cartwheel' ) => (string) $row['consent_at'],
			__( 'Agreed under the words', 'cartwheel' ) => (string) $row['consent_text'],
		);
		$data  = array();
		foreach ( array_filter( $facts, 'strlen' ) as $name => $value ) {
			$data[] = array(
				'name'  => $name,
				'value' => $value,
			);
		}
		return array(
			'group_id'    => 'cartwheel',
			'group_label' => __( 'Carts left at the checkout', 'cartwheel' ),
			'item_id'     => 'cartwheel-' . substr( hash( 'sha256', $row['token'] ), 0, 12 ),
			'data'        => $data,
		);
	}
}
